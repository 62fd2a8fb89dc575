using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>The k best experts of a row and their shares of the softmax.</summary>
internal unsafe struct RouteKernel : IRowKernel
{
    public HostMatrix Logits;
    public bool Normalise;
    public int* ExpertIds;
    public HostMatrix Weights;

    /// <inheritdoc/>
    public readonly void Run(int row)
    {
        float* logits = Logits.Row(row), weights = Weights.Row(row);
        int* ids = ExpertIds + ((long)row * Weights.Columns);
        for (int j = 0; j < Weights.Columns; j++)
        {
            ids[j] = NextBest(logits, j == 0 ? -1 : ids[j - 1]);
            weights[j] = MathF.Exp(logits[ids[j]] - logits[ids[0]]);
        }

        float sum = 0;
        if (Normalise)
        {
            for (int j = 0; j < Weights.Columns; j++)
                sum += weights[j];
        }
        else
        {
            for (int i = 0; i < Logits.Columns; i++)
                sum += MathF.Exp(logits[i] - logits[ids[0]]);
        }
        for (int j = 0; j < Weights.Columns; j++)
            weights[j] /= sum;
    }

    // The best expert after one that was taken (-1 for the first), lower index first where equal. NaN ranks below everything.
    private readonly int NextBest(float* logits, int previous)
    {
        int best = -1;
        for (int i = 0; i < Logits.Columns; i++)
        {
            bool follows = previous < 0 || Before(logits, previous, i);
            if (follows && (best < 0 || Before(logits, i, best)))
                best = i;
        }
        return best;
    }

    private static bool Before(float* logits, int a, int b) => logits[a].CompareTo(logits[b]) switch
    {
        > 0 => true,
        < 0 => false,
        _ => a < b,
    };
}

/// <summary>y = the sum of a row's experts, weighted.</summary>
internal unsafe struct CombineExpertsKernel : IRowKernel
{
    public HostMatrix X;
    public HostMatrix Weights;
    public HostMatrix Y;

    /// <inheritdoc/>
    public readonly void Run(int row)
    {
        float* y = Y.Row(row);
        new Span<float>(y, Y.Columns).Clear();
        for (int j = 0; j < Weights.Columns; j++)
            AddKernel.Add(y, X.Row((row * Weights.Columns) + j), Weights.Row(row)[j], Y.Columns);
    }
}
