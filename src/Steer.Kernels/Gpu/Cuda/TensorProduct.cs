using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

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
