namespace Steer.Kernels.Gpu;

/// <summary>The exponentials of a softmax whose maximum grows (Milakov and Gimelshein, arXiv 1805.02867).</summary>
internal static class OnlineSoftmax
{
    /// <summary>exp(value - maximum); 0 for a value of minus infinity, also where the maximum is.</summary>
    public static float Weight(float value, float maximum) =>
        value == float.NegativeInfinity ? 0 : KernelMath.Exp(value - maximum);
}
