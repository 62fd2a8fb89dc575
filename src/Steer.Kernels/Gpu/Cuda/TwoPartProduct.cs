using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Products in TF32 of numbers with the bits of float32: x = h + l with h the nearest TF32, and x y = h h' + l h' + h l', which leaves out 2^-22 of
/// it (Ootomo and Yokota, arXiv 2203.03341). A number that fits a TF32 has no l.
/// </summary>
internal static class TwoPartProduct
{
    /// <summary>The nearest TF32.</summary>
    public static uint High(float x) => (Interop.FloatAsInt(x) + 0x1000) & 0xFFFFE000u;

    /// <summary>What it leaves, of which the tensor core takes the upper bits.</summary>
    public static uint Low(float x, uint high) => Interop.FloatAsInt(x - Interop.IntAsFloat(high));

    /// <summary>An operand from four numbers of row g and four of row g + 8.</summary>
    public static QueryParts Split(Floats4 low, Floats4 high)
    {
        QueryParts parts = default;
        (parts.High0, parts.Low0) = Split(low.X, high.X, low.Y, high.Y);
        (parts.High1, parts.Low1) = Split(low.Z, high.Z, low.W, high.W);
        return parts;
    }

    /// <summary>An operand of one step, in the order of its words.</summary>
    public static (Words4 High, Words4 Low) Split(float x, float y, float z, float w)
    {
        var high = new Words4 { X = High(x), Y = High(y), Z = High(z), W = High(w) };
        return (high, new Words4 { X = Low(x, high.X), Y = Low(y, high.Y), Z = Low(z, high.Z), W = Low(w, high.W) });
    }

    /// <summary>Adds the products of one step with one tile.</summary>
    public static Sums4 Multiply<TFormat>(TFormat format, Words4 high, Words4 low, Pair numbers, Sums4 sums, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        Words2 b = High(format, numbers);
        sums = TensorCore.MultiplyTF32(low, b, sums, exchange);
        if (format.TwoParts != 0)
            sums = TensorCore.MultiplyTF32(high, Low(numbers, b), sums, exchange);
        return TensorCore.MultiplyTF32(high, b, sums, exchange);
    }

    /// <summary>Adds the products of one step with four tiles: for each tile as above, but in turns, so that none waits for its own sum.</summary>
    public static Sums16x32 Multiply<TFormat>(TFormat format, Words4 high, Words4 low, Pairs4 numbers, Sums16x32 sums, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        Words2 a = High(format, numbers.A), b = High(format, numbers.B), c = High(format, numbers.C), d = High(format, numbers.D);
        sums.A = TensorCore.MultiplyTF32(low, a, sums.A, exchange);
        sums.B = TensorCore.MultiplyTF32(low, b, sums.B, exchange);
        sums.C = TensorCore.MultiplyTF32(low, c, sums.C, exchange);
        sums.D = TensorCore.MultiplyTF32(low, d, sums.D, exchange);
        if (format.TwoParts != 0)
        {
            sums.A = TensorCore.MultiplyTF32(high, Low(numbers.A, a), sums.A, exchange);
            sums.B = TensorCore.MultiplyTF32(high, Low(numbers.B, b), sums.B, exchange);
            sums.C = TensorCore.MultiplyTF32(high, Low(numbers.C, c), sums.C, exchange);
            sums.D = TensorCore.MultiplyTF32(high, Low(numbers.D, d), sums.D, exchange);
        }

        sums.A = TensorCore.MultiplyTF32(high, a, sums.A, exchange);
        sums.B = TensorCore.MultiplyTF32(high, b, sums.B, exchange);
        sums.C = TensorCore.MultiplyTF32(high, c, sums.C, exchange);
        sums.D = TensorCore.MultiplyTF32(high, d, sums.D, exchange);
        return sums;
    }

    /// <summary>The row of a tile of keys that column g of its scores is of: so row t is column 2t, and row t + 4 column 2t + 1.</summary>
    public static int KeyRow(int g) => (g >> 1) + ((g & 1) * 4);

    /// <summary>
    /// Adds the weights of 8 positions times their values in 64 columns: with keys in the order of <see cref="KeyRow"/>, the sums of a tile of scores
    /// are the operand as they lie.
    /// </summary>
    public static Sums16x64 AddValues<TFormat>(
        TFormat format, Sums4 weights, ValuePieces even, ValuePieces odd, Sums16x64 sums, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        (Words4 high, Words4 low) = Split(weights.X, weights.Z, weights.Y, weights.W);
        sums.First = Multiply(format, high, low, Pairs(format.FirstFour(even), format.FirstFour(odd)), sums.First, exchange);
        sums.Second = Multiply(format, high, low, Pairs(format.LastFour(even), format.LastFour(odd)), sums.Second, exchange);
        return sums;
    }

    private static Pairs4 Pairs(Floats4 even, Floats4 odd) => new()
    {
        A = new Pair { X = even.X, Y = odd.X },
        B = new Pair { X = even.Y, Y = odd.Y },
        C = new Pair { X = even.Z, Y = odd.Z },
        D = new Pair { X = even.W, Y = odd.W },
    };

    private static Words2 High<TFormat>(TFormat format, Pair numbers)
        where TFormat : struct, IKvFormat => format.TwoParts != 0
        ? new() { X = High(numbers.X), Y = High(numbers.Y) }
        : new() { X = Interop.FloatAsInt(numbers.X), Y = Interop.FloatAsInt(numbers.Y) };

    private static Words2 Low(Pair numbers, Words2 high) => new() { X = Low(numbers.X, high.X), Y = Low(numbers.Y, high.Y) };
}
