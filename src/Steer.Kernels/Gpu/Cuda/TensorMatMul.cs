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
        int tiles = (x.Rows + PackActivationsKernel.TileRows - 1) / PackActivationsKernel.TileRows;
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
            PackedRows packed = Pack(device, x, weight, tiles);
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

        if (tiles <= MatMulStreamKernel.MaxRowTiles)
            MatMulStreamKernel.Run(device, product, tiles);
        else
            MatMulTileKernel.Run(device, product, multiprocessors);
    }

    private static PackedRows Pack(IlgpuDevice device, Tensor x, IlgpuWeight weight, int tiles)
    {
        int stages = weight.View.Layout.Steps;
        long room = (tiles + MatMulTileKernel.MaxRowTiles - 1) / MatMulTileKernel.MaxRowTiles * MatMulTileKernel.MaxRowTiles;
        var packed = new PackedRows
        {
            Type = weight.Type,
            Rows = x.Rows,
            Stages = stages,
            Words = device.Scratch(ScratchUse.Activations, room * stages * PackActivationsKernel.StageWords).View.Cast<uint>(),
            Scales = device.Scratch(ScratchUse.ActivationScales, room * stages * PackActivationsKernel.StageScales).View,
        };
        if (!device.LaunchPacked(x, packed))
            PackActivationsKernel.Run(device, x, packed);
        return packed;
    }

    private static int Tiles(IlgpuWeight weight) => (weight.N + WeightLayout.TileRows - 1) / WeightLayout.TileRows;
}

/// <summary>A product as the tensor core kernels see it.</summary>
internal struct TensorProduct
{
    public WeightView Weight;

    /// <summary>Tiles of 16 weight rows.</summary>
    public int Tiles;

    /// <summary>Parts of the sum over k.</summary>
    public int Splits;

    /// <summary>Activations: packed, see <see cref="PackedRows"/>, or exact ones as they are, which begin at 16 bytes and end at a stage.</summary>
    public ArrayView<uint> Rows;

    /// <summary>Scales of packed ones.</summary>
    public ArrayView<uint> RowScales;

    /// <summary>Numbers from one exact row to the next; 0 for packed ones.</summary>
    public int RowStride;

    /// <summary>Rows of x.</summary>
    public int RowCount;
    public ArrayView<float> Bias;
    public int HasBias;
    public RowFilter Filter;
    public TensorView Y;

    /// <summary>Numbers along k of a stage of exact activations: two groups.</summary>
    public const int ExactStage = 32;

    /// <summary>Activations are float32.</summary>
    public readonly bool IsExact => RowStride != 0;

    /// <summary>Where the four numbers of an exact row lie that a lane multiplies in a group of a stage.</summary>
    public readonly long ExactRow(int row, int stage, int group, int lane) =>
        ((long)row * RowStride) + (stage * ExactStage) + (group * (ExactStage / 2)) + (4 * (lane & 3));

    /// <summary>The first stage of a part, which is also the end of the part before.</summary>
    public readonly int PartStart(int part) => Weight.Layout.PartStart(part, Splits);

    /// <summary>Writes a sum, bias added, to the rows of y that come from a row of x.</summary>
    public readonly void Store(int row, int column, float sum)
    {
        if (row >= RowCount || column >= Y.Columns)
            return;
        if (HasBias != 0)
            sum += Bias[column];
        for (int i = row * Filter.FanOut; i < (row + 1) * Filter.FanOut; i++)
        {
            if (Filter.Includes(i))
                Y[i, column] = sum;
        }
    }
}
