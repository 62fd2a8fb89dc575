namespace Steer.Kernels.Gpu.Cuda;

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

    /// <summary>As <see cref="OnlineSoftmax.Weight"/>, without a branch.</summary>
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
