using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>Adds the parts of a product's sums in order, then the bias: a thread for each.</summary>
internal static class SumPartsKernel
{
    private const int Threads = 4 * Warps.Size;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<Parameters>(SumParts)];

    /// <param name="device">Where to run.</param>
    /// <param name="product">The product.</param>
    /// <param name="parts">[product.Splits, product.RowCount, columns of all tiles].</param>
    public static void Run(IlgpuDevice device, TensorProduct product, ArrayView<float> parts)
    {
        var groups = new Index3D(product.RowCount, ((product.Tiles * WeightLayout.TileRows) + Threads - 1) / Threads, 1);
        device.LaunchGroups(SumParts, groups, Threads, new Parameters { Product = product, Parts = parts });
    }

    internal static void SumParts(Parameters p)
    {
        int columns = p.Product.Tiles * WeightLayout.TileRows, row = Grid.IdxX, column = (Grid.IdxY * Threads) + Group.IdxX;
        if (column >= columns)
            return;
        float sum = p.Parts[((long)row * columns) + column];
        for (int part = 1; part < p.Product.Splits; part++)
            sum += p.Parts[((((long)part * p.Product.RowCount) + row) * columns) + column];
        p.Product.Store(row, column, sum);
    }

    internal struct Parameters
    {
        public TensorProduct Product;
        public ArrayView<float> Parts;
    }
}
