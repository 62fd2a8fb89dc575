using System.Globalization;
using System.Runtime.CompilerServices;

namespace Steer.Kernels;

/// <summary>The shapes that each kernel of <see cref="Device"/> asks for: the same checks, and the same words, on every device.</summary>
internal static class Shapes
{
    public static void Embed(DeviceBuffer<int> ids, int idStart, PackedWeight table, Tensor y)
    {
        Inside(y, nameof(y));
        Require(idStart >= 0 && idStart <= ids.Length - y.Rows, $"{y.Rows} ids from {idStart} do not lie in a buffer of {ids.Length}.");
        Require(table.K == y.Columns, $"Embed: the table is {table.K} wide and y {y.Columns}.");
    }

    public static void Norm(Tensor x, NormWeight weight, Tensor y)
    {
        Same(x, nameof(x), y, nameof(y));
        Require(
            weight.GroupSize > 0 && x.Columns % weight.GroupSize == 0,
            $"Norm: groups of {weight.GroupSize} do not divide {x.Columns} columns.");
        Require(weight.Weight.Length >= x.Columns, $"Norm: a weight of {weight.Weight.Length} for {x.Columns} columns.");
        Require(
            weight.Bias is null || weight.Bias.Length >= x.Columns, $"Norm: a bias of {weight.Bias?.Length} for {x.Columns} columns.");
    }

    public static void Same(Tensor x, string xName, Tensor y, string yName)
    {
        Inside(x, xName);
        Inside(y, yName);
        Require(
            x.Rows == y.Rows && x.Columns == y.Columns,
            $"{xName} is [{x.Rows}, {x.Columns}] and {yName} [{y.Rows}, {y.Columns}].");
    }

    public static void MatMul(Tensor x, ReadOnlySpan<MatMulGroup> groups, Tensor y)
    {
        SameRows(x, nameof(x), y, nameof(y));
        int next = 0;
        foreach (MatMulGroup group in groups)
        {
            Group(group.RowStart, group.RowCount, x.Rows, ref next);
            Require(
                group.Weight.K == x.Columns && group.Weight.N == y.Columns,
                $"MatMul: weight [{group.Weight.N}, {group.Weight.K}] for {x.Columns} columns in and {y.Columns} out.");
            Require(
                group.Bias is null || group.Bias.Length >= y.Columns, $"MatMul: a bias of {group.Bias?.Length} for {y.Columns} columns.");
        }
    }

    public static void LoraDelta(Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y)
    {
        SameRows(x, nameof(x), y, nameof(y));
        int next = 0;
        foreach (LoraGroup group in groups)
        {
            Group(group.RowStart, group.RowCount, x.Rows, ref next);
            Require(
                group.Weight.K == x.Columns && group.Weight.N == y.Columns,
                $"LoraDelta: weight [{group.Weight.N}, {group.Weight.K}] for {x.Columns} columns in and {y.Columns} out.");
        }
    }

    public static void RopeAngles(DeviceBuffer<int> positions, DeviceBuffer<float> inverseFrequencies, Tensor angles)
    {
        Inside(angles, nameof(angles));
        Require(positions.Length >= angles.Rows, $"RopeAngles: {positions.Length} positions for {angles.Rows} rows.");
        Require(
            2 * inverseFrequencies.Length == angles.Columns,
            $"RopeAngles: {inverseFrequencies.Length} frequencies for {angles.Columns} columns.");
    }

    public static void RopeAndCache(Tensor q, Tensor k, Tensor v, Tensor? angles, ForwardBatch batch, KvCache cache, int layer)
    {
        Heads(q, batch, cache, layer);
        Same(k, nameof(k), v, nameof(v));
        int kvColumns = cache.Shape.NumKvHeads * cache.Shape.HeadDim;
        Require(k.Rows == q.Rows && k.Columns == kvColumns, $"RopeAndCache: k is [{k.Rows}, {k.Columns}], not [{q.Rows}, {kvColumns}].");
        if (angles is not { } a)
            return;
        Inside(a, nameof(angles));
        Require(
            a.Rows == q.Rows && a.Columns % 2 == 0 && a.Columns <= cache.Shape.HeadDim,
            $"RopeAndCache: angles [{a.Rows}, {a.Columns}] for {q.Rows} rows and heads of {cache.Shape.HeadDim}.");
    }

    public static void Attention(Tensor q, KvCache cache, int layer, ForwardBatch batch, in AttentionParams parameters, Tensor y)
    {
        Heads(q, batch, cache, layer);
        Same(q, nameof(q), y, nameof(y));
        int heads = q.Columns / cache.Shape.HeadDim;
        Require(
            parameters.AlibiSlopes is null || parameters.AlibiSlopes.Length >= heads,
            $"Attention: {parameters.AlibiSlopes?.Length} ALiBi slopes for {heads} heads.");
        Require(parameters.Window >= 0, $"Attention: a window of {parameters.Window}.");
    }

    public static void Activate(Tensor x, bool gated, Tensor y)
    {
        SameRows(x, nameof(x), y, nameof(y));
        int columns = gated ? 2 * y.Columns : y.Columns;
        Require(x.Columns == columns, $"Activate: x has {x.Columns} columns, y {y.Columns}, gated: {gated}.");
    }

    public static void Gather(Tensor x, DeviceBuffer<int> rows, Tensor y)
    {
        Inside(x, nameof(x));
        Inside(y, nameof(y));
        Require(rows.Length >= y.Rows, $"Gather: {rows.Length} row numbers for {y.Rows} rows.");
        Require(x.Columns == y.Columns, $"Gather: x has {x.Columns} columns and y {y.Columns}.");
    }

    public static void Route(Tensor logits, DeviceBuffer<int> expertIds, Tensor weights)
    {
        SameRows(logits, nameof(logits), weights, nameof(weights));
        Require(
            weights.Columns <= logits.Columns, $"Route: {weights.Columns} of {logits.Columns} experts.");
        Require(
            expertIds.Length >= (long)weights.Rows * weights.Columns,
            $"Route: {expertIds.Length} expert ids for {weights.Rows} rows of {weights.Columns}.");
    }

    public static void MatMulExperts(
        Tensor x, IReadOnlyList<PackedWeight> experts, DeviceBuffer<int> expertIds, int fanOut, Tensor y)
    {
        Inside(x, nameof(x));
        Inside(y, nameof(y));
        Require(
            fanOut > 0 && y.Rows == (long)x.Rows * fanOut, $"MatMulExperts: {x.Rows} rows, fanned out {fanOut} times, are not {y.Rows}.");
        Require(expertIds.Length >= y.Rows, $"MatMulExperts: {expertIds.Length} expert ids for {y.Rows} rows.");
        for (int i = 0; i < experts.Count; i++)
        {
            PackedWeight expert = experts[i];
            Require(
                expert.K == x.Columns && expert.N == y.Columns,
                $"MatMulExperts: weight [{expert.N}, {expert.K}] for {x.Columns} columns in and {y.Columns} out.");
        }
    }

    public static void CombineExperts(Tensor x, Tensor weights, Tensor y)
    {
        SameRows(weights, nameof(weights), y, nameof(y));
        Inside(x, nameof(x));
        Require(
            x.Columns == y.Columns && x.Rows == (long)weights.Rows * weights.Columns,
            $"CombineExperts: x is [{x.Rows}, {x.Columns}], weights [{weights.Rows}, {weights.Columns}], y [{y.Rows}, {y.Columns}].");
    }

    public static void Advance(GuideBatch guide, DecodeBatch decode, ReadOnlySpan<ForwardBatch> batches)
    {
        Require(
            guide.Sequences <= decode.Rows.Length && decode.Branches <= guide.BranchLogProbs.Length,
            $"Advance: {guide.Sequences} sequences in a batch of {decode.Rows.Length}, {decode.Branches} branches of {guide.BranchLogProbs.Length}.");
        foreach (ForwardBatch batch in batches)
            Require(batch.Rows <= batch.RowSequence.Length, $"Advance: {batch.Rows} rows in a batch of {batch.RowSequence.Length}.");
    }

    public static void Pack(IReadOnlyList<WeightMatrix> parts)
    {
        Require(parts.Count > 0, "Pack: no matrix.");
        foreach (WeightMatrix part in parts)
            Require(part.Columns == parts[0].Columns, $"Pack: matrices of {parts[0].Columns} and {part.Columns} columns.");
    }

    public static void PackLora(int n, int k, IReadOnlyList<LoraSegment> segments)
    {
        foreach (LoraSegment segment in segments)
        {
            Require(
                segment.ColumnStart >= 0 && segment.Columns >= 0 && segment.ColumnStart <= n - segment.Columns,
                $"PackLora: columns [{segment.ColumnStart}, {segment.ColumnStart + (long)segment.Columns}) of {n}.");
            Require(segment.A is null == segment.B is null, "PackLora: A without B.");
            if (segment is { A: { } a, B: { } b })
            {
                Require(
                    a.Columns == k && b.Rows == segment.Columns && a.Rows == b.Columns,
                    $"PackLora: A [{a.Rows}, {a.Columns}] and B [{b.Rows}, {b.Columns}] for {k} columns in and {segment.Columns} out.");
            }

            Require(
                segment.ColumnScale is null || segment.ColumnScale.Length == segment.Columns,
                $"PackLora: {segment.ColumnScale?.Length} column scales for {segment.Columns} columns.");
            Require(
                segment.ColumnBias is null || segment.ColumnBias.Length == segment.Columns,
                $"PackLora: {segment.ColumnBias?.Length} column biases for {segment.Columns} columns.");
        }

        int end = 0;
        foreach (LoraSegment segment in segments.OrderBy(s => s.ColumnStart))
        {
            Require(segment.ColumnStart >= end, $"PackLora: two segments change column {segment.ColumnStart}.");
            end = segment.ColumnStart + segment.Columns;
        }
    }

    /// <summary>The view lies inside its buffer.</summary>
    public static void Inside(Tensor t, string name)
    {
        bool empty = t.Rows == 0 || t.Columns == 0;
        Require(
            t.Rows >= 0 && t.Columns >= 0 && t.Offset >= 0 && t.Stride >= t.Columns
            && (empty || t.Offset + (t.Rows - 1L) * t.Stride + t.Columns <= t.Buffer.Length),
            $"{name}: [{t.Rows}, {t.Columns}] at {t.Offset} with stride {t.Stride} does not lie in a buffer of {t.Buffer.Length}.");
    }

    private static void Heads(Tensor q, ForwardBatch batch, KvCache cache, int layer)
    {
        Inside(q, nameof(q));
        Require(q.Rows == batch.Rows, $"q has {q.Rows} rows and the batch {batch.Rows}.");
        Require(batch.Rows <= batch.Positions.Length, $"A batch of {batch.Rows} rows has room for {batch.Positions.Length}.");
        Require(layer >= 0 && layer < cache.Shape.NumLayers, $"Layer {layer} of a cache of {cache.Shape.NumLayers}.");
        int kvColumns = cache.Shape.NumKvHeads * cache.Shape.HeadDim;
        Require(
            q.Columns > 0 && q.Columns % kvColumns == 0,
            $"q has {q.Columns} columns, the cache {cache.Shape.NumKvHeads} heads of {cache.Shape.HeadDim}.");
    }

    private static void SameRows(Tensor x, string xName, Tensor y, string yName)
    {
        Inside(x, xName);
        Inside(y, yName);
        Require(x.Rows == y.Rows, $"{xName} has {x.Rows} rows and {yName} {y.Rows}.");
    }

    private static void Group(int start, int count, int rows, ref int next)
    {
        Require(
            start >= next && count >= 0 && start <= rows - count,
            $"A group of rows [{start}, {start + (long)count}) does not follow {next} inside {rows} rows.");
        next = start + count;
    }

    private static void Require(bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] ref Message message)
    {
        if (!holds)
            throw new ArgumentException(message.ToString());
    }

    private static void Require(bool holds, string message)
    {
        if (!holds)
            throw new ArgumentException(message);
    }

    /// <summary>Formats only where a check failed: kernels are called hundreds of times a step.</summary>
    [InterpolatedStringHandler]
    private ref struct Message
    {
        private DefaultInterpolatedStringHandler text;

        public Message(int literalLength, int formattedCount, bool holds, out bool append)
        {
            append = !holds;
            if (append)
                text = new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture);
        }

        public void AppendLiteral(string value) => text.AppendLiteral(value);

        public void AppendFormatted<T>(T value) => text.AppendFormatted(value);

        public override string ToString() => text.ToStringAndClear();
    }
}
