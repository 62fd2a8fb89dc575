using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>What a warp multiplies: the keys of its block, and its columns of values.</content>
internal static partial class AttentionStreamKernel
{
    // q k for a block: positions 0 to 7 and 8 to 15. The pieces that come next are on their way meanwhile, those of the next unit last.
    private static (Sums4 Left, Sums4 Right, KeyPieces Next) Score<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> shared, KeyPieces keys, int block, int nextBlock, bool more, int kvHead, int g, int t,
        ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        int pieces = p.Attention.Keys.Pieces, spans = (pieces + 3) / 4;
        Sums4 left = default, right = default;
        for (int span = 0; span < spans; span += SpansAtOnce)
        {
            bool isLast = span + SpansAtOnce >= spans;
            KeyPieces next = LoadKeys(p, isLast ? nextBlock : block, kvHead, isLast ? 0 : span + SpansAtOnce, isLast && !more ? 0 : pieces, g, t);
            (left, right) = Multiply(format, shared, span, keys.A, keys.B, left, right, exchange);
            if (span + 1 < spans)
                (left, right) = Multiply(format, shared, span + 1, keys.C, keys.D, left, right, exchange);
            if (span + 2 < spans)
                (left, right) = Multiply(format, shared, span + 2, keys.E, keys.F, left, right, exchange);
            if (span + 3 < spans)
                (left, right) = Multiply(format, shared, span + 3, keys.G, keys.H, left, right, exchange);
            keys = next;
        }

        return (left, right, keys);
    }

    // Four spans of a block's keys, of pieces before an end.
    private static KeyPieces LoadKeys(Parameters p, int block, int kvHead, int span, int end, int g, int t)
    {
        int pieces = p.Attention.Keys.Pieces, piece = (4 * span) + t, row = TwoPartProduct.KeyRow(g);
        long word = p.Attention.Keys.BlockStart(block, kvHead) + (4 * ((row * pieces) + piece));
        KeyPieces keys = default;
        if (piece < end)
        {
            keys.A = p.Attention.Keys.LoadWords(word);
            keys.B = p.Attention.Keys.LoadWords(word + (32 * pieces));
        }

        if (piece + 4 < end)
        {
            keys.C = p.Attention.Keys.LoadWords(word + 16);
            keys.D = p.Attention.Keys.LoadWords(word + (32 * pieces) + 16);
        }

        if (piece + 8 < end)
        {
            keys.E = p.Attention.Keys.LoadWords(word + 32);
            keys.F = p.Attention.Keys.LoadWords(word + (32 * pieces) + 32);
        }

        if (piece + 12 < end)
        {
            keys.G = p.Attention.Keys.LoadWords(word + 48);
            keys.H = p.Attention.Keys.LoadWords(word + (32 * pieces) + 48);
        }

        return keys;
    }

    private static (Sums4 Left, Sums4 Right) Multiply<TFormat>(
        TFormat format, ArrayView<uint> shared, int span, Words4 left, Words4 right, Sums4 leftSums, Sums4 rightSums, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        (leftSums, rightSums) = MultiplyFour(format, shared, span, 0, left, right, leftSums, rightSums, exchange);
        if (format.Fours > 1)
            (leftSums, rightSums) = MultiplyFour(format, shared, span, 1, left, right, leftSums, rightSums, exchange);
        if (format.Fours > 2)
        {
            (leftSums, rightSums) = MultiplyFour(format, shared, span, 2, left, right, leftSums, rightSums, exchange);
            (leftSums, rightSums) = MultiplyFour(format, shared, span, 3, left, right, leftSums, rightSums, exchange);
        }

        return (leftSums, rightSums);
    }

    private static (Sums4 Left, Sums4 Right) MultiplyFour<TFormat>(
        TFormat format, ArrayView<uint> shared, int span, int four, Words4 left, Words4 right, Sums4 leftSums, Sums4 rightSums,
        ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        int place = QueryStart + (((span * format.Fours) + four) * QueryWords) + (4 * Warps.Lane);
        QueryParts query = TwoPartProduct.Split(
            Floats4.Of(WideMemory.LoadShared(shared, place)), Floats4.Of(WideMemory.LoadShared(shared, place + TileWords)));
        Floats4 l = format.Four(left, four), r = format.Four(right, four);
        leftSums = TwoPartProduct.Multiply(format, query.High0, query.Low0, new Pair { X = l.X, Y = l.Y }, leftSums, exchange);
        rightSums = TwoPartProduct.Multiply(format, query.High0, query.Low0, new Pair { X = r.X, Y = r.Y }, rightSums, exchange);
        leftSums = TwoPartProduct.Multiply(format, query.High1, query.Low1, new Pair { X = l.Z, Y = l.W }, leftSums, exchange);
        return (leftSums, TwoPartProduct.Multiply(format, query.High1, query.Low1, new Pair { X = r.Z, Y = r.W }, rightSums, exchange));
    }

    // Scales of the lane's positions of a block: t, t + 4, t + 8 and t + 12.
    private static UnitScales LoadScales<TFormat>(TFormat format, Parameters p, int block, int kvHead, int t)
        where TFormat : struct, IKvFormat
    {
        UnitScales scales = default;
        if (format.HasScales != 0)
        {
            long head = p.Attention.Keys.Head(block * KvCacheShape.BlockSize, kvHead) + t;
            scales.Keys = LoadScales(p.Attention.Keys, head);
            scales.Values = LoadScales(p.Attention.Values, head);
        }

        return scales;
    }

    private static Floats4 LoadScales(KvView view, long head) =>
        new() { X = view.Scale(head), Y = view.Scale(head + 4), Z = view.Scale(head + 8), W = view.Scale(head + 12) };

    // The unit's weights times its values, of each block of 64 columns the warp's 16, folded into the sums before.
    private static void AddValues<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> shared, TensorAttention.UnitBlocks blocks, int kvHead, int last, int g, int t,
        ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        var factors = new FoldFactors
        {
            LowKeep = Number(shared, KeepStart + g),
            LowAdd = Number(shared, AddStart + g),
            HighKeep = Number(shared, KeepStart + g + 8),
            HighAdd = Number(shared, AddStart + g + 8),
        };
        int columnBlocks = ColumnBlocks(p.Attention.HeadDim);
        ArrayView<uint> values = shared.SubView(p.ValueStart + (t * p.ValueStride) + format.WarpWord(Warps.Index, g));
        for (int columnBlock = 0, held = 0; columnBlock < columnBlocks; columnBlock++, held++)
        {
            if (held == p.BlocksHeld)
            {
                held = 0;
                Group.Barrier();
                CopyValues(p, shared, blocks, kvHead, columnBlock, last);
                WideMemory.EndStage();
                WideMemory.WaitForAllBut(0);
                Group.Barrier();
            }

            Sums4 first = default, second = default;
            for (int tile = 0; tile < Tiles; tile++)
            {
                Floats4 weights = Floats4.Of(WideMemory.LoadShared(shared, ScoreStart + (tile * TileWords) + (4 * Warps.Lane)));
                (Words4 high, Words4 low) = TwoPartProduct.Split(weights.X, weights.Y, weights.Z, weights.W);
                int word = (held * format.BlockWords) + (8 * tile * p.ValueStride);
                Pair even = format.TwoColumns(values, word, g), odd = format.TwoColumns(values, word + (4 * p.ValueStride), g);
                first = TwoPartProduct.Multiply(format, high, low, new Pair { X = even.X, Y = odd.X }, first, exchange);
                second = TwoPartProduct.Multiply(format, high, low, new Pair { X = even.Y, Y = odd.Y }, second, exchange);
            }

            int place = SumPlace(p, columnBlock, 0);
            Fold(shared, place, factors, first);
            Fold(shared, place + TileWords, factors, second);
        }
    }

    private static void Fold(ArrayView<uint> shared, int place, FoldFactors factors, Sums4 part)
    {
        Sums4 sums = SumsAt(shared, place).Fold(factors, part);
        shared[place] = Interop.FloatAsInt(sums.X);
        shared[place + Warps.Size] = Interop.FloatAsInt(sums.Y);
        shared[place + (2 * Warps.Size)] = Interop.FloatAsInt(sums.Z);
        shared[place + (3 * Warps.Size)] = Interop.FloatAsInt(sums.W);
    }

    private static Sums4 SumsAt(ArrayView<uint> shared, int place) => new()
    {
        X = Number(shared, place),
        Y = Number(shared, place + Warps.Size),
        Z = Number(shared, place + (2 * Warps.Size)),
        W = Number(shared, place + (3 * Warps.Size)),
    };

    // The lane's sums of a tile.
    private static int SumPlace(Parameters p, int columnBlock, int tile) =>
        p.SumsStart + ((((columnBlock * WarpCount) + Warps.Index) * 2) + tile) * TileWords + Warps.Lane;

    private static float Number(ArrayView<uint> words, int i) => Interop.IntAsFloat(words[i]);

    /// <summary>Pieces of keys: for four spans, of rows 0 to 7 and 8 to 15 of a block.</summary>
    private struct KeyPieces
    {
        public Words4 A;
        public Words4 B;
        public Words4 C;
        public Words4 D;
        public Words4 E;
        public Words4 F;
        public Words4 G;
        public Words4 H;
    }

    /// <summary>Scales of four positions.</summary>
    private struct UnitScales
    {
        public Floats4 Keys;
        public Floats4 Values;
    }
}
