namespace Steer.Kernels.Host;

/// <summary>One segment of an adapter: where its rank lies in the fused A, its B, and what DoRA and biases do to its columns.</summary>
internal sealed record HostLoraSegment(
    int ColumnStart, int Columns, int RankStart, int Rank, HostWeight? B, HostBuffer<float>? ColumnScale, HostBuffer<float>? ColumnBias);

/// <summary>
/// An adapter's segments for one projection: A of all segments one below the other as one weight [sum of ranks, k], and a B for each. Matrices
/// whose numbers are all bfloat16, as most adapters are stored, are held as such; others in float32.
/// </summary>
internal sealed class HostLoraWeight : LoraWeight
{
    private readonly List<IDisposable> _owned = [];

    private HostLoraWeight(int n, int k, int segments)
        : base(n, k) => Segments = new HostLoraSegment[segments];

    /// <summary>[sum of ranks, k], or null where no segment has a product.</summary>
    public HostWeight? A { get; private set; }

    /// <summary>The segments.</summary>
    public HostLoraSegment[] Segments { get; }

    /// <summary>Columns that the tiles of A write.</summary>
    public int PaddedRank => (A?.Panels ?? 0) * HostWeight.PanelWidth;

    /// <summary>Multiply-adds for one row.</summary>
    public long Cost { get; private set; }

    /// <inheritdoc/>
    public override long Bytes => (A?.Bytes ?? 0)
        + Segments.Sum(s => (s.B?.Bytes ?? 0) + (sizeof(float) * ((s.ColumnScale?.Length ?? 0) + (s.ColumnBias?.Length ?? 0))));

    /// <summary>Packs segments that <see cref="Shapes.PackLora"/> found to fit.</summary>
    /// <exception cref="InvalidDataException">A number is NaN.</exception>
    public static HostLoraWeight Pack(ThreadTeam team, int n, int k, IReadOnlyList<LoraSegment> segments)
    {
        var weight = new HostLoraWeight(n, k, segments.Count);
        try
        {
            weight.Fill(team, segments);
            return weight;
        }
        catch
        {
            weight.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Dispose() => _owned.ForEach(o => o.Dispose());

    private void Fill(ThreadTeam team, IReadOnlyList<LoraSegment> segments)
    {
        WeightMatrix[] downs = [.. segments.Where(s => s.A is not null).Select(s => s.A!)];
        if (downs.Length > 0)
            A = Own(PackJob.Pack(team, downs, Type(downs)));
        Cost = (long)K * PaddedRank;
        int rankStart = 0;
        for (int i = 0; i < Segments.Length; i++)
        {
            var segment = segments[i];
            int rank = segment.A?.Rows ?? 0;
            Segments[i] = new HostLoraSegment(
                segment.ColumnStart, segment.Columns, rankStart, rank,
                segment.B is null ? null : Own(PackJob.Pack(team, [segment.B], Type([segment.B]))),
                Copy(segment.ColumnScale), Copy(segment.ColumnBias));
            Cost += (long)segment.Columns * (rank + 1);
            rankStart += rank;
        }
    }

    // The narrowest type that holds every number as it is. An odd k would be half of a pair.
    private static DType Type(WeightMatrix[] matrices)
    {
        if (matrices[0].Columns % 2 > 0)
            return DType.F32;
        var row = new float[matrices[0].Columns];
        foreach (var matrix in matrices)
        {
            for (int i = 0; i < matrix.Rows; i++)
            {
                matrix.ReadRow(i, row);
                foreach (float value in row)
                {
                    if ((ushort)BitConverter.SingleToUInt32Bits(value) != 0)
                        return DType.F32;
                }
            }
        }
        return DType.BF16;
    }

    private HostBuffer<float>? Copy(float[]? values)
    {
        if (values is null)
            return null;
        int nan = Array.FindIndex(values, float.IsNaN);
        if (nan >= 0)
            throw new InvalidDataException($"Column {nan} of an adapter's column scale or bias is NaN.");
        var buffer = Own(new HostBuffer<float>(values.Length));
        buffer.Upload(values);
        return buffer;
    }

    private T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
