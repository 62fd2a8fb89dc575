using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Activations as products with rounded ones take them (see <see cref="WeightFormat"/>), back in float32: for devices without tensor cores, whose
/// product is then the exact one. One thread for each block of 32 along k.
/// </summary>
internal static class RoundActivationsKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(RoundActivations)];

    public static void Run(IlgpuDevice device, Tensor x, DType type, Tensor rounded)
    {
        int blocks = BlockQuantizer.Blocks(x.Columns);
        var parameters = new Parameters { X = new TensorView(x), Y = new TensorView(rounded), Blocks = blocks, InBlocks = type == DType.BF16 ? 0 : 1 };
        device.Launch(RoundActivations, (long)x.Rows * blocks, parameters);
    }

    internal static void RoundActivations(Index1D index, Parameters p)
    {
        int row = index / p.Blocks, start = index % p.Blocks * BlockQuantizer.BlockSize;
        int end = Math.Min(start + BlockQuantizer.BlockSize, p.X.Columns);
        float scale = p.InBlocks != 0 ? ActivationBlock.Scale(p.X, row, start, end) : 0;
        for (int k = start; k < end; k++)
        {
            float x = p.X[row, k];
            p.Y[row, k] = p.InBlocks == 0 ? Numbers.BF16(Numbers.ToBF16(x)) : ActivationBlock.Quantise(x, scale) * scale;
        }
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Y;
        public int Blocks;
        public int InBlocks;
    }
}

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

        return (max / BlockQuantizer.MaxInt8) + check;
    }

    /// <summary>A number of a block.</summary>
    public static int Quantise(float value, float scale) =>
        scale > 0
            ? Math.Max(-BlockQuantizer.MaxInt8, Math.Min(BlockQuantizer.MaxInt8, Numbers.Nearest(value / scale)))
            : 0;
}
