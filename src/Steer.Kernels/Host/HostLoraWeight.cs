namespace Steer.Kernels.Host;

/// <summary>One segment of an adapter: where its rank lies in the fused A, its B, and what DoRA and biases do to its columns.</summary>
internal sealed record HostLoraSegment(
    int ColumnStart, int Columns, int RankStart, int Rank, HostWeight? B, HostBuffer<float>? ColumnScale, HostBuffer<float>? ColumnBias);

/// <summary>An adapter's segments for one projection: A of all segments one below the other as one weight [sum of ranks, k], and a B for each.</summary>
internal sealed class HostLoraWeight : LoraWeight
{
    private HostLoraWeight(int n, int k, HostWeight? a, HostLoraSegment[] segments)
        : base(n, k)
    {
        A = a;
        Segments = segments;
    }

    /// <summary>[sum of ranks, k], or null where no segment has a product.</summary>
    public HostWeight? A { get; }

    /// <summary>The segments.</summary>
    public HostLoraSegment[] Segments { get; }

    /// <inheritdoc/>
    public override long Bytes => (A?.Bytes ?? 0)
        + Segments.Sum(s => (s.B?.Bytes ?? 0) + sizeof(float) * ((s.ColumnScale?.Length ?? 0) + (s.ColumnBias?.Length ?? 0)));

    /// <summary>Packs segments.</summary>
    /// <exception cref="ArgumentException">A segment lies outside [n, k], or its matrices do not fit together.</exception>
    public static HostLoraWeight Pack(ThreadTeam team, int n, int k, IReadOnlyList<LoraSegment> segments)
    {
        foreach (var segment in segments)
            Check(segment, n, k);
        var downs = segments.Where(s => s.A is not null).Select(s => s.A!).ToArray();
        var a = downs.Length > 0 ? PackJob.Pack(team, downs, DType.F32) : null;
        var packed = new HostLoraSegment[segments.Count];
        int rankStart = 0;
        for (int i = 0; i < packed.Length; i++)
        {
            var segment = segments[i];
            int rank = segment.A?.Rows ?? 0;
            packed[i] = new HostLoraSegment(
                segment.ColumnStart, segment.Columns, rankStart, rank,
                segment.B is null ? null : PackJob.Pack(team, [segment.B], DType.F32), Copy(segment.ColumnScale), Copy(segment.ColumnBias));
            rankStart += rank;
        }
        return new HostLoraWeight(n, k, a, packed);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        A?.Dispose();
        foreach (var segment in Segments)
        {
            segment.B?.Dispose();
            segment.ColumnScale?.Dispose();
            segment.ColumnBias?.Dispose();
        }
    }

    private static void Check(LoraSegment segment, int n, int k)
    {
        if (segment.ColumnStart < 0 || segment.Columns < 0 || segment.ColumnStart > n - segment.Columns)
            throw new ArgumentException($"Columns [{segment.ColumnStart}, +{segment.Columns}) are outside a projection of {n}.", nameof(segment));
        if (segment.A is null != segment.B is null)
            throw new ArgumentException("A segment needs both A and B, or neither.", nameof(segment));
        if (segment is { A: { } a, B: { } b } && (a.Columns != k || b.Rows != segment.Columns || b.Columns != a.Rows))
        {
            throw new ArgumentException(
                $"A [{a.Rows}, {a.Columns}] and B [{b.Rows}, {b.Columns}] do not make a change of [{segment.Columns}, {k}].", nameof(segment));
        }
        if ((segment.ColumnScale ?? segment.ColumnBias) is not null
            && ((segment.ColumnScale?.Length ?? segment.Columns) != segment.Columns || (segment.ColumnBias?.Length ?? segment.Columns) != segment.Columns))
        {
            throw new ArgumentException($"Column scale and bias must have {segment.Columns} numbers.", nameof(segment));
        }
    }

    private static HostBuffer<float>? Copy(float[]? values)
    {
        if (values is null)
            return null;
        int nan = Array.FindIndex(values, float.IsNaN);
        if (nan >= 0)
            throw new InvalidDataException($"Column {nan} of an adapter's column scale or bias is NaN.");
        var buffer = new HostBuffer<float>(values.Length);
        buffer.Upload(values);
        return buffer;
    }
}
