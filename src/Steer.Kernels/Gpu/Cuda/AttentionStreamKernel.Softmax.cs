using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>The softmax of units, and of parts of a context that groups of their own have made.</content>
internal static partial class AttentionStreamKernel
{
    // The unit's softmax, eight threads to a query: what they leave in place of scores are weights, of 8-bit values times their scales.
    private static QuerySoftmax Softmax<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> shared, QuerySoftmax state, int firstHead, int heads, int start, int last)
        where TFormat : struct, IKvFormat
    {
        // A thread has of each tile the column of row t of the keys, or that of row t + 4, as a lane of TensorAttention.Softmax has both.
        int query = Group.IdxX >> 3, t = (Group.IdxX >> 1) & 3, odd = Group.IdxX & 1;
        int place = ScoreStart + (4 * (((query & 7) * 4) + t)) + (query >> 3) + (2 * odd), position = start + t + (4 * odd);
        // No position is seen by a query that is not there.
        int seen = query < heads ? last : -1;
        float slope = p.Attention.HasAlibi != 0 ? p.Attention.AlibiSlopes[firstHead + Math.Min(query, heads - 1)] : 0;
        float maximum = float.NegativeInfinity;
        for (int tile = 0; tile < Tiles; tile++)
        {
            float score = Number(shared, place + (tile * TileWords));
            if (p.Attention.HasAlibi != 0 || p.Attention.SoftCap > 0)
                score = p.Attention.Adjust(score, slope, position + (8 * tile));
            score = p.Attention.Mask(score, seen - position - (8 * tile));
            shared[place + (tile * TileWords)] = Interop.FloatAsInt(score);
            maximum = MathF.Max(maximum, score);
        }

        maximum = MathF.Max(maximum, Warp.ShuffleXor(maximum, 1));
        maximum = TensorAttention.MaximumOfFour(maximum, 2);
        float sum = 0;
        for (int tile = 0; tile < Tiles; tile++)
        {
            float weight = SoftmaxState.Weight(Number(shared, place + (tile * TileWords)), maximum);
            sum += weight;
            if (format.HasScales != 0)
                weight = TensorAttention.ScaleValue(weight, Number(shared, ScaleStart + (8 * tile) + t + (4 * odd)));
            shared[place + (tile * TileWords)] = Interop.FloatAsInt(weight);
        }

        sum = TensorAttention.SumOfFour(sum + Warp.ShuffleXor(sum, 1), 2);
        (state, float keep, float add) = state.Fold(maximum, sum);
        if ((Group.IdxX & 7) == 0)
        {
            shared[KeepStart + query] = Interop.FloatAsInt(keep);
            shared[AddStart + query] = Interop.FloatAsInt(add);
            shared[MaximumStart + query] = Interop.FloatAsInt(state.Maximum);
            shared[SumStart + query] = Interop.FloatAsInt(state.Sum);
        }

        return state;
    }

    // What the group has made: a row of y, or one of its parts.
    private static void PutSums<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> shared, int row, int firstHead, int heads, int parts, int g, int t)
        where TFormat : struct, IKvFormat
    {
        float lowScale = parts == 1 ? 1 / Number(shared, SumStart + g) : 1, highScale = parts == 1 ? 1 / Number(shared, SumStart + g + 8) : 1;
        int columnBlocks = ColumnBlocks(p.Attention.HeadDim);
        for (int i = 0; i < 2 * columnBlocks; i++)
        {
            int tile = i & 1, place = SumPlace(p, i >> 1, tile);
            int d = (TensorAttention.BlockColumns * (i >> 1)) + (16 * Warps.Index) + format.WarpColumn(tile, 2 * t);
            int next = format.WarpColumn(tile, 1) - format.WarpColumn(tile, 0);
            Sums4 sums = SumsAt(shared, place);
            if (d >= p.Attention.HeadDim)
                continue;
            if (g < heads)
                Put(p, row, firstHead + g, d, next, sums.X * lowScale, sums.Y * lowScale, parts);
            if (g + 8 < heads)
                Put(p, row, firstHead + g + 8, d, next, sums.Z * highScale, sums.W * highScale, parts);
        }

        if (parts > 1 && Group.IdxX < heads)
        {
            long part = p.Part(Grid.IdxZ, row, firstHead + Group.IdxX);
            p.Parts[part] = Number(shared, MaximumStart + Group.IdxX);
            p.Parts[part + 1] = Number(shared, SumStart + Group.IdxX);
        }
    }

    private static void Put(Parameters p, int row, int head, int d, int next, float first, float second, int parts)
    {
        if (parts == 1)
        {
            int column = (head * p.Attention.HeadDim) + d;
            p.Attention.Y[row, column] = first;
            p.Attention.Y[row, column + next] = second;
            return;
        }

        long place = p.Part(Grid.IdxZ, row, head) + 2 + d;
        p.Parts[place] = first;
        p.Parts[place + next] = second;
    }

    // The last group of a row and kv head to come here merges the parts of all, which it sees: each has written its own before it came. Whether it
    // was this.
    private static bool Merge(Parameters p, ArrayView<uint> shared, int row, int firstHead, int heads, int firstPart, int parts)
    {
        Group.Barrier();
        if (Group.IdxX == 0)
        {
            MemoryFence.DeviceLevel();
            ref int arrivals = ref p.Arrivals[((long)row * Grid.DimY) + Grid.IdxY];
            bool isLast = Atomic.Add(ref arrivals, 1) == parts - 1;
            // For the next launch.
            if (isLast)
                arrivals = 0;
            MemoryFence.DeviceLevel();
            shared[0] = isLast ? 1u : 0u;
        }

        Group.Barrier();
        if (shared[0] == 0)
            return false;
        int partsPerChunk = TensorAttention.UnitsPerChunk / p.UnitsPerPart;
        for (int i = Group.IdxX; i < heads * p.Attention.HeadDim; i += Group.DimX)
        {
            int head = firstHead + (i / p.Attention.HeadDim), d = i % p.Attention.HeadDim;
            var merge = new PartMerge { Chunk = QuerySoftmax.Empty, All = QuerySoftmax.Empty };
            for (int part = 0; part < parts; part += 4)
            {
                // Four are on their way at once.
                MergedPart a = LoadPart(p, part, parts, row, head, d), b = LoadPart(p, part + 1, parts, row, head, d);
                MergedPart c = LoadPart(p, part + 2, parts, row, head, d), e = LoadPart(p, part + 3, parts, row, head, d);
                int ends = firstPart + part;
                merge = merge.Add(a, (ends + 1) % partsPerChunk == 0 || part + 1 >= parts);
                merge = merge.Add(b, (ends + 2) % partsPerChunk == 0 || part + 2 >= parts);
                merge = merge.Add(c, (ends + 3) % partsPerChunk == 0 || part + 3 >= parts);
                merge = merge.Add(e, (ends + 4) % partsPerChunk == 0 || part + 4 >= parts);
            }

            p.Attention.Y[row, (head * p.Attention.HeadDim) + d] = merge.AllValue * (1 / merge.All.Sum);
        }

        return true;
    }

    // One number of a head's part; of one that is not there nothing, which changes nothing.
    private static MergedPart LoadPart(Parameters p, int part, int parts, int row, int head, int d)
    {
        var loaded = new MergedPart { Softmax = QuerySoftmax.Empty };
        if (part < parts)
        {
            long place = p.Part(part, row, head);
            loaded.Softmax.Maximum = p.Parts[place];
            loaded.Softmax.Sum = p.Parts[place + 1];
            loaded.Value = p.Parts[place + 2 + d];
        }

        return loaded;
    }

    /// <summary>A part's softmax, and the sum of one column of its values.</summary>
    private struct MergedPart
    {
        public QuerySoftmax Softmax;
        public float Value;
    }

    /// <summary>A chunk's parts so far, and the chunks before it.</summary>
    private struct PartMerge
    {
        public QuerySoftmax Chunk;
        public float ChunkValue;
        public QuerySoftmax All;
        public float AllValue;

        /// <summary>With a part that follows, which may be its chunk's last.</summary>
        public readonly PartMerge Add(MergedPart part, bool endsChunk)
        {
            PartMerge next = this;
            (next.Chunk, float keep, float add) = Chunk.Fold(part.Softmax.Maximum, part.Softmax.Sum);
            next.ChunkValue = KernelMath.FusedMultiplyAdd(ChunkValue, keep, part.Value * add);
            if (endsChunk)
            {
                (next.All, keep, add) = All.Fold(next.Chunk.Maximum, next.Chunk.Sum);
                next.AllValue = KernelMath.FusedMultiplyAdd(AllValue, keep, next.ChunkValue * add);
                next.Chunk = QuerySoftmax.Empty;
                next.ChunkValue = 0;
            }

            return next;
        }
    }
}
