using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// A float32 as a sum of three bfloat16, exactly: each takes the leading eight bits of what those before it leave. A half is the sum of two. Products
/// of parts are exact on a tensor core, so that it multiplies float32 in several steps (arXiv 1904.06376). What is not finite leaves NaN.
/// </summary>
internal static class FloatParts
{
    /// <summary>The leading parts of four numbers along k of activations: two words, the lower number in the lower half.</summary>
    public static Words2 Leading(Floats4 numbers) => new() { X = Leading(numbers.X, numbers.Y), Y = Leading(numbers.Z, numbers.W) };

    /// <summary>The leading parts of four numbers of weight row g and of row g + 8.</summary>
    public static Words4 Leading(Floats4 low, Floats4 high) => new()
    {
        X = Leading(low.X, low.Y),
        Y = Leading(high.X, high.Y),
        Z = Leading(low.Z, low.W),
        W = Leading(high.Z, high.W),
    };

    /// <summary>What the leading parts leave; exact.</summary>
    public static Floats4 Rest(Floats4 numbers) => new() { X = Rest(numbers.X), Y = Rest(numbers.Y), Z = Rest(numbers.Z), W = Rest(numbers.W) };

    /// <summary>Four halves.</summary>
    public static Floats4 Halves(uint low, uint high) => new() { X = Half(low), Y = Half(low >> 16), Z = Half(high), W = Half(high >> 16) };

    private static uint Leading(float first, float second) => (Interop.FloatAsInt(first) >> 16) | (Interop.FloatAsInt(second) & 0xFFFF0000u);

    private static float Rest(float value) => value - Numbers.UpperBF16(Interop.FloatAsInt(value));

    // An instruction on CUDA, unlike Numbers.F16, which OpenCL's devices can do too.
    private static float Half(uint bits) => Interop.IntAsFloat((ushort)bits);
}
