using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// See <see cref="Device.MatMul"/>, on tensor cores: which kernel a product goes to. The sum over k is made of
/// <see cref="Splits"/> parts, a number that the weight alone decides; each part is a chain of tensor core steps in ascending k, and parts are added
/// in order, whichever kernel makes them. So a row's bits are the same for any number of rows.
/// </summary>
internal static class TensorMatMul
{
    /// <summary>Warps that keep a GPU's memory busy, about, where each has a ring of stages on the way: two on each of 128 multiprocessors.</summary>
    private const int EnoughWarps = 256;

    /// <summary>Parts in which the sum over k of a weight is made: 1, or 2 where its tiles are few.</summary>
    public static int Splits(IlgpuWeight weight) => Tiles(weight) < EnoughWarps && weight.View.Layout.Steps > 1 ? 2 : 1;

    /// <param name="device">Where to run.</param>
    /// <param name="x">[rows, k].</param>
    /// <param name="weight">[n, k] in tiles.</param>
    /// <param name="bias">[n], or null.</param>
    /// <param name="filter">Which rows of y are written, and from which rows of x they come.</param>
    /// <param name="y">[rows * filter.FanOut, n].</param>
    /// <param name="multiprocessors">How many groups work at once: large tiles where those keep half of them busy.</param>
    public static void Run(
        IlgpuDevice device, Tensor x, IlgpuWeight weight, DeviceBuffer<float>? bias, in RowFilter filter, Tensor y, int multiprocessors)
    {
        if (y.Rows == 0)
            return;
        int rowTiles = (x.Rows + PackedRows.TileRows - 1) / PackedRows.TileRows;
        var product = new TensorProduct
        {
            Weight = weight.View,
            Tiles = Tiles(weight),
            Splits = Splits(weight),
            RowCount = x.Rows,
            Bias = IlgpuDevice.ViewOrEmpty(bias),
            HasBias = bias is null ? 0 : 1,
            Filter = filter,
            Y = new TensorView(y),
        };
        if (weight.RoundsActivations)
        {
            PackedRows packed = Pack(device, x, weight, rowTiles);
            product.Rows = packed.Words;
            product.RowScales = packed.Scales.Cast<uint>();
        }
        else
        {
            if (!MatMulKernel.Reads(x, weight))
                x = RoundActivationsKernel.Run(device, x, DType.F32);
            product.Rows = IlgpuDevice.View(x.Buffer).SubView(x.Offset).Cast<uint>();
            product.RowStride = x.Stride;
        }

        if (rowTiles <= MatMulStreamKernel.MaxRowTiles)
            MatMulStreamKernel.Run(device, product, rowTiles);
        else
            MatMulTileKernel.Run(device, product, multiprocessors);
    }

    private static PackedRows Pack(IlgpuDevice device, Tensor x, IlgpuWeight weight, int rowTiles)
    {
        int stages = weight.View.Layout.Steps;
        // The last group of a product reads all of its tiles.
        long room = (rowTiles + MatMulTileKernel.MaxRowTiles - 1) / MatMulTileKernel.MaxRowTiles * MatMulTileKernel.MaxRowTiles;
        var packed = new PackedRows
        {
            Type = weight.Type,
            Rows = x.Rows,
            Stages = stages,
            Words = device.Scratch(ScratchUse.Activations, room * stages * PackedRows.StageWords).View.Cast<uint>(),
            Scales = device.Scratch(ScratchUse.ActivationScales, room * stages * PackedRows.StageScales).View,
        };
        if (!device.LaunchPacked(x, packed))
            PackActivationsKernel.Run(device, x, packed);
        return packed;
    }

    private static int Tiles(IlgpuWeight weight) => (weight.N + WeightLayout.TileRows - 1) / WeightLayout.TileRows;
}
