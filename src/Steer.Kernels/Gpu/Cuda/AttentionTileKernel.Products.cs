using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>What a warp multiplies: its queries with a unit's keys, and the weights that come of it with the unit's values.</content>
internal static partial class AttentionTileKernel
{
    // q k of the warp's queries with half of the unit's keys, span by span.
    private static Sums16x32 Score<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> shared, TensorAttention.Query low, TensorAttention.Query high, int half, int g, int t,
        ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        Sums16x32 sums = default;
        int tile = 8 * p.KeyStride, row = (4 * half * tile) + (TwoPartProduct.KeyRow(g) * p.KeyStride), pieces = p.Attention.Keys.Pieces;
        for (int first = 0; first < pieces; first += 4)
        {
            // What is multiplied with a piece behind the head is zero: any number of the row will do.
            int piece = first + t, word = row + (piece < pieces ? 4 * piece : 0);
            Words4 a = WideMemory.LoadShared(shared, word), b = WideMemory.LoadShared(shared, word + tile);
            Words4 c = WideMemory.LoadShared(shared, word + (2 * tile)), d = WideMemory.LoadShared(shared, word + (3 * tile));
            sums = Multiply(format, p, low, high, piece, 0, sums, a, b, c, d, exchange);
            if (format.Fours > 1)
                sums = Multiply(format, p, low, high, piece, 1, sums, a, b, c, d, exchange);
            if (format.Fours > 2)
            {
                sums = Multiply(format, p, low, high, piece, 2, sums, a, b, c, d, exchange);
                sums = Multiply(format, p, low, high, piece, 3, sums, a, b, c, d, exchange);
            }
        }

        return sums;
    }

    // Four numbers of each query with those of the lane's pieces of four tiles of keys.
    private static Sums16x32 Multiply<TFormat>(
        TFormat format, Parameters p, TensorAttention.Query low, TensorAttention.Query high, int piece, int four, Sums16x32 sums,
        Words4 a, Words4 b, Words4 c, Words4 d, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        int column = 4 * ((piece * format.Fours) + four);
        (Floats4 lowFour, Floats4 highFour) = p.Attention.LoadQueries(format, low, high, column);
        QueryParts query = TwoPartProduct.Split(lowFour, highFour);
        Floats4 ka = format.Four(a, four), kb = format.Four(b, four), kc = format.Four(c, four), kd = format.Four(d, four);
        var first = new Pairs4
        {
            A = new Pair { X = ka.X, Y = ka.Y },
            B = new Pair { X = kb.X, Y = kb.Y },
            C = new Pair { X = kc.X, Y = kc.Y },
            D = new Pair { X = kd.X, Y = kd.Y },
        };
        sums = TwoPartProduct.Multiply(format, query.High0, query.Low0, first, sums, exchange);
        var second = new Pairs4
        {
            A = new Pair { X = ka.Z, Y = ka.W },
            B = new Pair { X = kb.Z, Y = kb.W },
            C = new Pair { X = kc.Z, Y = kc.W },
            D = new Pair { X = kd.Z, Y = kd.W },
        };
        return TwoPartProduct.Multiply(format, query.High1, query.Low1, second, sums, exchange);
    }

    private static Sums16x64 ScaleKeys<TFormat>(TFormat format, Parameters p, ArrayView<uint> shared, Sums16x64 s, int t)
        where TFormat : struct, IKvFormat
    {
        ArrayView<uint> scales = shared.SubView(p.ScaleStart + t);
        s.First.A = TensorAttention.ScaleKeys(s.First.A, KeyScale(format, p, scales, 0), KeyScale(format, p, scales, 4));
        s.First.B = TensorAttention.ScaleKeys(s.First.B, KeyScale(format, p, scales, 8), KeyScale(format, p, scales, 12));
        s.First.C = TensorAttention.ScaleKeys(s.First.C, KeyScale(format, p, scales, 16), KeyScale(format, p, scales, 20));
        s.First.D = TensorAttention.ScaleKeys(s.First.D, KeyScale(format, p, scales, 24), KeyScale(format, p, scales, 28));
        s.Second.A = TensorAttention.ScaleKeys(s.Second.A, KeyScale(format, p, scales, 32), KeyScale(format, p, scales, 36));
        s.Second.B = TensorAttention.ScaleKeys(s.Second.B, KeyScale(format, p, scales, 40), KeyScale(format, p, scales, 44));
        s.Second.C = TensorAttention.ScaleKeys(s.Second.C, KeyScale(format, p, scales, 48), KeyScale(format, p, scales, 52));
        s.Second.D = TensorAttention.ScaleKeys(s.Second.D, KeyScale(format, p, scales, 56), KeyScale(format, p, scales, 60));
        return s;
    }

    private static Sums16x64 ScaleValues<TFormat>(TFormat format, Parameters p, ArrayView<uint> shared, Sums16x64 s, int t)
        where TFormat : struct, IKvFormat
    {
        if (format.HasScales == 0)
            return s;
        ArrayView<uint> scales = shared.SubView(p.ScaleStart + TensorAttention.UnitSize + t);
        s.First.A = TensorAttention.ScaleValues(s.First.A, Number(scales, 0), Number(scales, 4));
        s.First.B = TensorAttention.ScaleValues(s.First.B, Number(scales, 8), Number(scales, 12));
        s.First.C = TensorAttention.ScaleValues(s.First.C, Number(scales, 16), Number(scales, 20));
        s.First.D = TensorAttention.ScaleValues(s.First.D, Number(scales, 24), Number(scales, 28));
        s.Second.A = TensorAttention.ScaleValues(s.Second.A, Number(scales, 32), Number(scales, 36));
        s.Second.B = TensorAttention.ScaleValues(s.Second.B, Number(scales, 40), Number(scales, 44));
        s.Second.C = TensorAttention.ScaleValues(s.Second.C, Number(scales, 48), Number(scales, 52));
        s.Second.D = TensorAttention.ScaleValues(s.Second.D, Number(scales, 56), Number(scales, 60));
        return s;
    }

    private static float KeyScale<TFormat>(TFormat format, Parameters p, ArrayView<uint> scales, int position)
        where TFormat : struct, IKvFormat => p.Attention.KeyScale(format, format.HasScales != 0 ? Number(scales, position) : 1);

    private static float Number(ArrayView<uint> words, int i) => Interop.IntAsFloat(words[i]);

    // The unit's weights times its values, in a block of 64 columns or two.
    private static (Sums16x64 Left, Sums16x64 Right) WeightValues<TFormat, TWidth>(
        TFormat format, TWidth width, Parameters p, ArrayView<uint> shared, Sums16x64 weights, int g, int t, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
        where TWidth : struct, IWidth
    {
        Sums16x64 left = default, right = default;
        int stride = ValueStride(format.BlockWords, width.Blocks), tile = 8 * stride;
        // From here on all distances are constants, which a load takes with it.
        ArrayView<uint> values = shared.SubView(p.ValueStart + (t * stride) + format.ValueWord(g));
        (left, right) = AddTile(format, width, values, weights.First.A, 0, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.First.B, tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.First.C, 2 * tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.First.D, 3 * tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.Second.A, 4 * tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.Second.B, 5 * tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.Second.C, 6 * tile, left, right, g, exchange);
        return AddTile(format, width, values, weights.Second.D, 7 * tile, left, right, g, exchange);
    }

    // Eight positions.
    private static (Sums16x64 Left, Sums16x64 Right) AddTile<TFormat, TWidth>(
        TFormat format, TWidth width, ArrayView<uint> values, Sums4 weights, int word, Sums16x64 left, Sums16x64 right, int g,
        ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
        where TWidth : struct, IWidth
    {
        int odd = word + (4 * ValueStride(format.BlockWords, width.Blocks));
        left = AddBlock(format, values, weights, word, odd, left, g, exchange);
        if (width.Blocks > 1)
            right = AddBlock(format, values, weights, word + format.BlockWords, odd + format.BlockWords, right, g, exchange);
        return (left, right);
    }

    private static Sums16x64 AddBlock<TFormat>(
        TFormat format, ArrayView<uint> values, Sums4 weights, int evenWord, int oddWord, Sums16x64 sums, int g, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        ValuePieces even = default, odd = default;
        even.First = format.Own(WideMemory.LoadShared(values, evenWord), g);
        odd.First = format.Own(WideMemory.LoadShared(values, oddWord), g);
        if (format.TwoPieces != 0)
        {
            even.Second = format.Own(WideMemory.LoadShared(values, evenWord + 32), g);
            odd.Second = format.Own(WideMemory.LoadShared(values, oddWord + 32), g);
        }

        return TwoPartProduct.AddValues(format, weights, even, odd, sums, exchange);
    }

    /// <summary>How many blocks of 64 columns a warp sums.</summary>
    private interface IWidth
    {
        int Blocks { get; }
    }

    private struct Narrow : IWidth
    {
        public readonly int Blocks => 1;
    }

    private struct Wide : IWidth
    {
        public readonly int Blocks => 2;
    }
}
