namespace Steer.Kernels.Gpu.Cuda;

/// <summary>Four 32-bit words: what a lane holds of a 16 x 8-word tile, or 16 bytes of memory.</summary>
internal struct Words4
{
    public uint X;
    public uint Y;
    public uint Z;
    public uint W;

    /// <summary>One of the four.</summary>
    public readonly uint this[int index] => index == 0 ? X : index == 1 ? Y : index == 2 ? Z : W;
}

/// <summary>Two 32-bit words: what a lane holds of an 8-word x 8 tile.</summary>
internal struct Words2
{
    public uint X;
    public uint Y;
}

/// <summary>
/// Four sums of a 16 x 8 tile: rows g and g + 8 (lane = 4 g + t), columns 2t and 2t + 1, as (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
/// </summary>
internal struct Sums4
{
    public float X;
    public float Y;
    public float Z;
    public float W;

    /// <summary>These sums and those of a part that follows, each with its factor.</summary>
    public readonly Sums4 Fold(FoldFactors factors, Sums4 part) => new()
    {
        X = KernelMath.FusedMultiplyAdd(X, factors.LowKeep, part.X * factors.LowAdd),
        Y = KernelMath.FusedMultiplyAdd(Y, factors.LowKeep, part.Y * factors.LowAdd),
        Z = KernelMath.FusedMultiplyAdd(Z, factors.HighKeep, part.Z * factors.HighAdd),
        W = KernelMath.FusedMultiplyAdd(W, factors.HighKeep, part.W * factors.HighAdd),
    };

    public static Sums4 operator +(Sums4 a, Sums4 b) => new() { X = a.X + b.X, Y = a.Y + b.Y, Z = a.Z + b.Z, W = a.W + b.W };
}

/// <summary>As <see cref="Sums4"/>, in whole numbers.</summary>
internal struct Counts4
{
    public int X;
    public int Y;
    public int Z;
    public int W;
}
