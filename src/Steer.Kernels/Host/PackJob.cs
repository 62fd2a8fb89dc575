using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>Reads matrices row by row into a packed weight, panel by panel on the team.</summary>
internal sealed class PackJob : ParallelJob
{
    private readonly HostWeight _weight;
    private readonly IReadOnlyList<WeightMatrix> _parts;

    private PackJob(HostWeight weight, IReadOnlyList<WeightMatrix> parts)
    {
        _weight = weight;
        _parts = parts;
    }

    /// <summary>Packs matrices [n_i, k] one below the other.</summary>
    /// <exception cref="InvalidDataException">A number is NaN.</exception>
    public static HostWeight Pack(ThreadTeam team, IReadOnlyList<WeightMatrix> parts, WeightFormat format)
    {
        var weight = new HostWeight(parts.Sum(p => p.Rows), parts[0].Columns, format);
        try
        {
            team.Run(new PackJob(weight, parts), weight.Panels);
        }
        catch
        {
            weight.Dispose();
            throw;
        }
        return weight;
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        int start = part * HostWeight.PanelWidth;
        int end = Math.Min(start + HostWeight.PanelWidth, _weight.N);
        float[] rented = ArrayPool<float>.Shared.Rent(_weight.K);
        var values = rented.AsSpan(0, _weight.K);
        int index = 0, first = 0;
        for (int row = start; row < end; row++)
        {
            while (row - first >= _parts[index].Rows)
                first += _parts[index++].Rows;
            _parts[index].ReadRow(row - first, values);
            if (HasNaN(values))
                throw new InvalidDataException($"Row {row}, column {values.IndexOf(float.NaN)} of a weight is NaN.");
            _weight.WriteRow(row, values);
        }
        ArrayPool<float>.Shared.Return(rented);
    }

    // Optimised from the first call on, which a library's code is not: loading is over before that is compiled a second time.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool HasNaN(ReadOnlySpan<float> values)
    {
        var found = Vector256<float>.Zero;
        int i = 0;
        for (; i <= values.Length - VectorMath.Lanes; i += VectorMath.Lanes)
        {
            var value = Vector256.Create(values.Slice(i, VectorMath.Lanes));
            found |= ~Vector256.Equals(value, value);
        }
        bool any = found.AsInt32() != Vector256<int>.Zero;
        for (; i < values.Length; i++)
            any |= float.IsNaN(values[i]);
        return any;
    }
}
