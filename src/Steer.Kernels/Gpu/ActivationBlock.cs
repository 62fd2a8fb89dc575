using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>8-bit activations, see <see cref="BlockQuantizer.Activations"/>.</summary>
internal static class ActivationBlock
{
    /// <summary>The scale of x[row, start .. end): NaN where one of them is not finite.</summary>
    public static float Scale(TensorView x, int row, int start, int end)
    {
        float max = 0, check = 0;
        for (int k = start; k < end; k++)
        {
            float value = x[row, k];
            max = MathF.Max(max, MathF.Abs(value));
            check += value * 0;
        }

        return Scale(max, check);
    }

    /// <summary>The largest magnitude of some numbers of a block: NaN where one of them is not finite.</summary>
    public static float Largest(Floats4 x)
    {
        float max = MathF.Max(MathF.Max(MathF.Abs(x.X), MathF.Abs(x.Y)), MathF.Max(MathF.Abs(x.Z), MathF.Abs(x.W)));
        return max + (x * 0f).Sum;
    }

    /// <summary>The scale of a block, of whose numbers the largest magnitudes are given some at a time.</summary>
    public static float Scale(ArrayView<float> largest, int start, int count)
    {
        float max = 0, check = 0;
        for (int i = start; i < start + count; i++)
        {
            max = MathF.Max(max, largest[i]);
            check += largest[i] * 0;
        }

        return Scale(max, check);
    }

    /// <summary>A number of a block.</summary>
    public static int Quantise(float value, float scale) =>
        scale > 0
            ? Math.Max(-BlockQuantizer.MaxInt8, Math.Min(BlockQuantizer.MaxInt8, Numbers.Nearest(value / scale)))
            : 0;

    // `check` is the sum of the numbers times 0.
    private static float Scale(float max, float check) => (max / BlockQuantizer.MaxInt8) + check;
}
