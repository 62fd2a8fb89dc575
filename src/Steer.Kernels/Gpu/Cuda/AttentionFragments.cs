using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>Sums of a tile of 16 x 32: four tiles of 8 columns.</summary>
internal struct Sums16x32
{
    public Sums4 A;
    public Sums4 B;
    public Sums4 C;
    public Sums4 D;

    /// <summary>These sums and those of a part that follows, each with its factor.</summary>
    public readonly Sums16x32 Fold(FoldFactors factors, Sums16x32 part) => new()
    {
        A = A.Fold(factors, part.A),
        B = B.Fold(factors, part.B),
        C = C.Fold(factors, part.C),
        D = D.Fold(factors, part.D),
    };
}

/// <summary>Sums of a tile of 16 x 64.</summary>
internal struct Sums16x64
{
    public Sums16x32 First;
    public Sums16x32 Second;

    /// <summary>These sums and those of a part that follows, each with its factor.</summary>
    public readonly Sums16x64 Fold(FoldFactors factors, Sums16x64 part) => new()
    {
        First = First.Fold(factors, part.First),
        Second = Second.Fold(factors, part.Second),
    };

    /// <summary>All tiles moved one place to the front, and another behind them.</summary>
    public readonly Sums16x64 Rotate(Sums4 last) => new()
    {
        First = new() { A = First.B, B = First.C, C = First.D, D = Second.A },
        Second = new() { A = Second.B, B = Second.C, C = Second.D, D = last },
    };
}

/// <summary>Factors of what there is and of what is added to it, for rows g (low) and g + 8 (high) of a tile.</summary>
internal struct FoldFactors
{
    public float LowKeep;
    public float LowAdd;
    public float HighKeep;
    public float HighAdd;
}

/// <summary>Maxima of scores and sums of weights relative to them, for rows g (low) and g + 8 (high) of a tile.</summary>
internal struct SoftmaxState
{
    public float LowMaximum;
    public float LowSum;
    public float HighMaximum;
    public float HighSum;

    /// <summary>That of no position.</summary>
    public static SoftmaxState Empty => new() { LowMaximum = float.NegativeInfinity, HighMaximum = float.NegativeInfinity };

    /// <summary>exp(value - maximum); 0 for a value of minus infinity, also where the maximum is.</summary>
    public static float Weight(float value, float maximum) => KernelMath.ExpOfNegative(value - MathF.Max(maximum, float.MinValue));

    /// <summary>This state with a part that follows, and the factors of their sums of values.</summary>
    public readonly (SoftmaxState State, FoldFactors Factors) Fold(SoftmaxState part)
    {
        float low = MathF.Max(LowMaximum, part.LowMaximum), high = MathF.Max(HighMaximum, part.HighMaximum);
        var factors = new FoldFactors
        {
            LowKeep = Weight(LowMaximum, low),
            LowAdd = Weight(part.LowMaximum, low),
            HighKeep = Weight(HighMaximum, high),
            HighAdd = Weight(part.HighMaximum, high),
        };
        var state = new SoftmaxState
        {
            LowMaximum = low,
            LowSum = KernelMath.FusedMultiplyAdd(LowSum, factors.LowKeep, part.LowSum * factors.LowAdd),
            HighMaximum = high,
            HighSum = KernelMath.FusedMultiplyAdd(HighSum, factors.HighKeep, part.HighSum * factors.HighAdd),
        };
        return (state, factors);
    }
}

/// <summary>The same for one query.</summary>
internal struct QuerySoftmax
{
    public float Maximum;
    public float Sum;

    /// <summary>That of no position.</summary>
    public static QuerySoftmax Empty => new() { Maximum = float.NegativeInfinity };

    /// <summary>This with a part that follows, and the factors of what there is and of what is added: see <see cref="SoftmaxState.Fold"/>.</summary>
    public readonly (QuerySoftmax State, float Keep, float Add) Fold(float maximum, float sum)
    {
        float next = MathF.Max(Maximum, maximum), keep = SoftmaxState.Weight(Maximum, next), add = SoftmaxState.Weight(maximum, next);
        return (new QuerySoftmax { Maximum = next, Sum = KernelMath.FusedMultiplyAdd(Sum, keep, sum * add) }, keep, add);
    }
}

/// <summary>An operand A of two steps of 8 numbers along k, each number as a TF32 and the rest of it.</summary>
internal struct QueryParts
{
    public Words4 High0;
    public Words4 Low0;
    public Words4 High1;
    public Words4 Low1;
}

/// <summary>
/// Products in TF32 of numbers with the bits of float32: x = h + l with h the nearest TF32, and x y = h h' + l h' + h l', which leaves out 2^-22 of it
/// (Ootomo and Yokota, arXiv 2203.03341). A number that fits a TF32 has no l.
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

    /// <summary>
    /// Adds the weights of 8 positions times their values in 64 columns: the sums of a tile of scores are the operand as they lie, where row t of a tile of
    /// keys is column 2t and row t + 4 column 2t + 1.
    /// </summary>
    public static Sums16x64 AddValues<TFormat>(
        TFormat format, Sums4 weights, ValuePieces even, ValuePieces odd, Sums16x64 sums, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        (Words4 high, Words4 low) = Split(weights.X, weights.Z, weights.Y, weights.W);
        sums.First = Multiply(format, high, low, Columns(format, even, odd, 0), sums.First, exchange);
        sums.Second = Multiply(format, high, low, Columns(format, even, odd, 4), sums.Second, exchange);
        return sums;
    }

    // Four tiles of columns of values.
    private static Pairs4 Columns<TFormat>(TFormat format, ValuePieces even, ValuePieces odd, int tile)
        where TFormat : struct, IKvFormat => new()
        {
            A = new Pair { X = format.Value(even, tile), Y = format.Value(odd, tile) },
            B = new Pair { X = format.Value(even, tile + 1), Y = format.Value(odd, tile + 1) },
            C = new Pair { X = format.Value(even, tile + 2), Y = format.Value(odd, tile + 2) },
            D = new Pair { X = format.Value(even, tile + 3), Y = format.Value(odd, tile + 3) },
        };

    private static Words2 High<TFormat>(TFormat format, Pair numbers)
        where TFormat : struct, IKvFormat => format.TwoParts != 0
        ? new() { X = High(numbers.X), Y = High(numbers.Y) }
        : new() { X = Interop.FloatAsInt(numbers.X), Y = Interop.FloatAsInt(numbers.Y) };

    private static Words2 Low(Pair numbers, Words2 high) => new() { X = Low(numbers.X, high.X), Y = Low(numbers.Y, high.Y) };
}

/// <summary>What a lane holds of an operand B: numbers t and t + 4 along k of column g.</summary>
internal struct Pair
{
    public float X;
    public float Y;
}

/// <summary>Operands B of four tiles.</summary>
internal struct Pairs4
{
    public Pair A;
    public Pair B;
    public Pair C;
    public Pair D;
}
