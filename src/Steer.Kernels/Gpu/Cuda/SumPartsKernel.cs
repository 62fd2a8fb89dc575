using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>Adds the parts of a product's sums in order, then the bias: one thread for each number.</summary>
internal static class SumPartsKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(SumParts)];

    /// <param name="device">Where to run.</param>
    /// <param name="product">The product.</param>
    /// <param name="parts">[product.Splits, product.RowCount, columns of all tiles].</param>
    public static void Run(IlgpuDevice device, TensorProduct product, ArrayView<float> parts) => device.Launch(
        SumParts, (long)product.RowCount * product.Tiles * WeightLayout.TileRows, new Parameters { Product = product, Parts = parts });

    internal static void SumParts(Index1D index, Parameters p)
    {
        int columns = p.Product.Tiles * WeightLayout.TileRows;
        float sum = p.Parts[index];
        for (int part = 1; part < p.Product.Splits; part++)
            sum += p.Parts[((long)part * p.Product.RowCount * columns) + index];
        p.Product.Store(index / columns, index % columns, sum);
    }

    internal struct Parameters
    {
        public TensorProduct Product;
        public ArrayView<float> Parts;
    }
}
