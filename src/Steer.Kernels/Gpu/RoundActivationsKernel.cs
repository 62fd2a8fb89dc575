using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Activations as exact products read them where they cannot read them in place: rounded, back in float32, for a weight that rounds them (see
/// <see cref="WeightFormat"/>) on devices without tensor cores, or as they are; rows begin at 16 bytes and end with zeros. One thread for each block
/// of 32 along k.
/// </summary>
internal static class RoundActivationsKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(RoundActivations)];

    /// <summary>The activations, until the next product.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="x">[rows, k].</param>
    /// <param name="type">Of a weight that rounds them; F32 to keep them.</param>
    public static Tensor Run(IlgpuDevice device, Tensor x, DType type)
    {
        int blocks = BlockQuantizer.Blocks(x.Columns), stride = blocks * BlockQuantizer.BlockSize;
        var rounded = new Tensor(device.Scratch(ScratchUse.Activations, (long)x.Rows * stride), 0, x.Rows, x.Columns, stride);
        var parameters = new Parameters { X = new TensorView(x), Y = new TensorView(rounded), Blocks = blocks, Type = type };
        device.Launch(RoundActivations, (long)x.Rows * blocks, parameters);
        return rounded;
    }

    internal static void RoundActivations(Index1D index, Parameters p)
    {
        int row = index / p.Blocks, start = index % p.Blocks * BlockQuantizer.BlockSize;
        int end = Math.Min(start + BlockQuantizer.BlockSize, p.X.Columns);
        float scale = p.Type == DType.Int8 || p.Type == DType.Int4 ? ActivationBlock.Scale(p.X, row, start, end) : 0;
        for (int k = start; k < end; k++)
        {
            float x = p.X[row, k];
            p.Y[row, k] = p.Type == DType.F32 ? x
                : p.Type == DType.BF16 ? Numbers.BF16(Numbers.ToBF16(x))
                : ActivationBlock.Quantise(x, scale) * scale;
        }

        for (int k = end; k < start + BlockQuantizer.BlockSize; k++)
            p.Y[row, k] = 0;
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Y;
        public int Blocks;
        public DType Type;
    }
}
