namespace Steer.Kernels.Gpu.Cuda;

/// <summary>Sums of a tile of 16 x 32: four tiles of 8 columns.</summary>
internal struct Sums16x32
{
    public Sums4 A;
    public Sums4 B;
    public Sums4 C;
    public Sums4 D;

    /// <summary>What a lane has of row g: of each tile the sum of column 2t.</summary>
    public readonly Floats4 LowEven => new() { X = A.X, Y = B.X, Z = C.X, W = D.X };

    /// <summary>Of row g, columns 2t + 1.</summary>
    public readonly Floats4 LowOdd => new() { X = A.Y, Y = B.Y, Z = C.Y, W = D.Y };

    /// <summary>Of row g + 8, columns 2t.</summary>
    public readonly Floats4 HighEven => new() { X = A.Z, Y = B.Z, Z = C.Z, W = D.Z };

    /// <summary>Of row g + 8, columns 2t + 1.</summary>
    public readonly Floats4 HighOdd => new() { X = A.W, Y = B.W, Z = C.W, W = D.W };

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

/// <summary>An operand A of two steps of 8 numbers along k, each number as a TF32 and the rest of it.</summary>
internal struct QueryParts
{
    public Words4 High0;
    public Words4 Low0;
    public Words4 High1;
    public Words4 Low1;
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
