using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// One row x two neighbouring panels: four vectors of sums hide the latency of the multiply-add, so that memory alone sets the pace. Software
/// prefetching was tried at 512 to 4096 bytes ahead and made nothing faster.
/// </summary>
internal static unsafe class StreamTile<TVector, TWeights>
    where TVector : struct, ISimdVector<TVector>
    where TWeights : struct, ITileWeights<TVector>
{
    /// <summary>As <see cref="Tile{TVector, TRows, TWeights}.Run"/>, with 64 columns of y and bias; never carried.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(TileArgs* args)
    {
        int pairs = HostWeight.PanelWidth / 2 / TVector.Count;
        for (int pair = 0; pair < 2 * pairs; pair += 2)
        {
            int panelA = pair / pairs, panelB = (pair + 1) / pairs;
            int columnA = pair % pairs * TVector.Count, columnB = (pair + 1) % pairs * TVector.Count;
            OneRow<TVector> a = default, b = default;
            byte* weightsA = args->Panel + (panelA * args->PanelBytes) + (columnA * sizeof(float));
            byte* weightsB = args->Panel + (panelB * args->PanelBytes) + (columnB * sizeof(float));
            float* x = args->X;
            for (int left = args->K; left > 0; left -= TWeights.Depth)
            {
                TWeights.Step(ref a, x, weightsA);
                TWeights.Step(ref b, x, weightsB);
                x += TWeights.Depth;
                weightsA += HostWeight.WordStepBytes;
                weightsB += HostWeight.WordStepBytes;
            }
            Finish(args, a, (panelA * HostWeight.PanelWidth) + columnA);
            Finish(args, b, (panelB * HostWeight.PanelWidth) + columnB);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(TileArgs* args, OneRow<TVector> sums, int column)
    {
        if (args->Bias is not null)
            sums.Add(TVector.Load(args->Bias + column), TVector.Load(args->Bias + column + (HostWeight.PanelWidth / 2)));
        sums.Store(args->Y, args->Column + column, args->Column + column + (HostWeight.PanelWidth / 2));
    }
}
