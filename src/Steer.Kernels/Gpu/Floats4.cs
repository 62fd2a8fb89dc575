using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>Four neighbouring numbers.</summary>
internal struct Floats4
{
    public float X;
    public float Y;
    public float Z;
    public float W;

    /// <summary>Numbers up to whole fours: 16 bytes.</summary>
    public static int RoundUp(int numbers) => (numbers + 3) / 4 * 4;

    /// <summary>The sum.</summary>
    public readonly float Sum => (X + Y) + (Z + W);

    /// <summary>The largest; NaN counts as nothing unless it is the last.</summary>
    public readonly float Max => KernelMath.Larger(KernelMath.Larger(X, Y), KernelMath.Larger(Z, W));

    /// <summary>One of the four.</summary>
    public readonly float this[int index] => index == 0 ? X : index == 1 ? Y : index == 2 ? Z : W;

    /// <summary>
    /// 16 bytes of global memory, at a multiple of that, that nobody writes meanwhile; see
    /// <see cref="WideMemory.LoadConstant(ArrayView{uint}, long)"/>.
    /// </summary>
    public static Floats4 LoadConstant(ArrayView<float> source, long start) => Of(WideMemory.LoadConstant(source.Cast<uint>(), start));

    /// <summary>16 bytes of global memory, at a multiple of that.</summary>
    public static Floats4 Load(ArrayView<float> source, long start) => Of(WideMemory.LoadGlobal(source.Cast<uint>(), start));

    /// <summary>Four words as the numbers that they are.</summary>
    public static Floats4 Of(Words4 words) => new()
    {
        X = Interop.IntAsFloat(words.X),
        Y = Interop.IntAsFloat(words.Y),
        Z = Interop.IntAsFloat(words.Z),
        W = Interop.IntAsFloat(words.W),
    };

    public static Floats4 operator +(Floats4 a, Floats4 b) => new() { X = a.X + b.X, Y = a.Y + b.Y, Z = a.Z + b.Z, W = a.W + b.W };

    public static Floats4 operator *(Floats4 a, Floats4 b) => new() { X = a.X * b.X, Y = a.Y * b.Y, Z = a.Z * b.Z, W = a.W * b.W };

    public static Floats4 operator -(Floats4 a, float b) => new() { X = a.X - b, Y = a.Y - b, Z = a.Z - b, W = a.W - b };

    public static Floats4 operator *(Floats4 a, float b) => new() { X = a.X * b, Y = a.Y * b, Z = a.Z * b, W = a.W * b };

    /// <summary>factor * a + b, each rounded once.</summary>
    public static Floats4 MultiplyAdd(float factor, Floats4 a, Floats4 b) => new()
    {
        X = KernelMath.FusedMultiplyAdd(factor, a.X, b.X),
        Y = KernelMath.FusedMultiplyAdd(factor, a.Y, b.Y),
        Z = KernelMath.FusedMultiplyAdd(factor, a.Z, b.Z),
        W = KernelMath.FusedMultiplyAdd(factor, a.W, b.W),
    };

    /// <summary>sum + a . b, one fused multiply-add after the other.</summary>
    public static float Dot(Floats4 a, Floats4 b, float sum)
    {
        sum = KernelMath.FusedMultiplyAdd(a.X, b.X, sum);
        sum = KernelMath.FusedMultiplyAdd(a.Y, b.Y, sum);
        sum = KernelMath.FusedMultiplyAdd(a.Z, b.Z, sum);
        return KernelMath.FusedMultiplyAdd(a.W, b.W, sum);
    }
}
