using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Activations in the order of tensor cores' fragments (see <see cref="TensorCore"/>): [tiles of 8 rows][stages][32 lanes][16 bytes of both groups],
/// as bfloat16, or in 8 bits with the scale of each block and row and that scale times the sum of its numbers, [tiles][stages][2 groups][8 rows][2].
/// k is filled up with zeros; rows past the last of x are left as they are: what they make nobody stores, and it touches no other row. Whatever makes activations may write them in this form too; the default is nowhere.
/// </summary>
internal struct PackedRows
{
    /// <summary>The weight's.</summary>
    public DType Type;

    /// <summary>Rows; 0 where nothing is to be packed.</summary>
    public int Rows;

    /// <summary>Stages along k.</summary>
    public int Stages;

    /// <summary>[tiles, stages, StageWords].</summary>
    public ArrayView<uint> Words;

    /// <summary>[tiles, stages, StageScales]; not written for bfloat16.</summary>
    public ArrayView<float> Scales;

    /// <summary>What one thread packs of a row: 16 bytes of bfloat16, or a block of 8 bits.</summary>
    public readonly int UnitLength => Type == DType.BF16 ? 8 : BlockQuantizer.BlockSize;

    /// <summary>Units of a row.</summary>
    public readonly int Units => Stages * (Type == DType.BF16 ? 4 : WeightLayout.GroupsPerStage);

    /// <summary>
    /// Has a group pack columns [start, start + count) of a row that its threads wrote, each some; both are multiples of a block. All threads call.
    /// </summary>
    public readonly void PackOwn(TensorView x, int row, int start, int count)
    {
        if (Rows == 0)
            return;
        Group.Barrier();
        int end = Math.Min((start + count) / UnitLength, Units);
        for (int unit = (start / UnitLength) + Group.IdxX; unit < end; unit += Group.DimX)
            PackUnit(x, row, unit);
    }

    /// <summary>Packs a unit of a row.</summary>
    public readonly void PackUnit(TensorView x, int row, int unit)
    {
        if (Type == DType.BF16)
            PackBF16(x, row, unit);
        else
            PackInt8(x, row, unit);
    }

    // A lane's words of a stage, which is a pair of groups: words 2t and 2t + 1 of each, two numbers along k to a word.
    private readonly void PackBF16(TensorView x, int row, int unit)
    {
        int stage = unit / 4, t = unit & 3, k = (32 * stage) + (4 * t);
        long place = Place(row, stage, t);
        // All are read before any is written: loads of one thread do not pass its stores.
        uint first = Pair(x, row, k), second = Pair(x, row, k + 2), third = Pair(x, row, k + 16), fourth = Pair(x, row, k + 18);
        Words[place] = first;
        Words[place + 1] = second;
        Words[place + 2] = third;
        Words[place + 3] = fourth;
    }

    private readonly void PackInt8(TensorView x, int row, int unit)
    {
        int start = unit * BlockQuantizer.BlockSize, stage = unit / WeightLayout.GroupsPerStage, group = unit & (WeightLayout.GroupsPerStage - 1);
        int end = row < x.Rows ? Math.Min(start + BlockQuantizer.BlockSize, x.Columns) : start;
        float scale = ActivationBlock.Scale(x, row, start, end);
        int sum = 0;
        for (int word = 0; word < 8; word++)
        {
            uint four = 0;
            for (int i = 0; i < 4; i++)
            {
                int k = start + (4 * word) + i;
                int q = k < end ? ActivationBlock.Quantise(x[row, k], scale) : 0;
                sum += q;
                four |= (uint)(q & 255) << (8 * i);
            }

            Words[Place(row, stage, word / 2) + (group * 2) + (word & 1)] = four;
        }

        int tile = row / PackActivationsKernel.TileRows, ofTile = row & (PackActivationsKernel.TileRows - 1);
        long place = ((((long)tile * Units) + unit) * PackActivationsKernel.TileRows * 2) + (ofTile * 2);
        Scales[place] = scale;
        Scales[place + 1] = scale * sum;
    }

    private static uint Pair(TensorView x, int row, int k)
    {
        int last = x.Columns - 1, inside = Math.Min(row, x.Rows - 1);
        float low = x[inside, Math.Min(k, last)], high = x[inside, Math.Min(k + 1, last)];
        uint bits = Numbers.ToBF16(low) | (Numbers.ToBF16(high) << 16);
        return row > inside || k > last ? 0 : k == last ? bits & 0xFFFF : bits;
    }

    /// <summary>The first of the four words that a lane of a row reads of a stage.</summary>
    private readonly long Place(int row, int stage, int t)
    {
        int tile = row / PackActivationsKernel.TileRows, lane = ((row & (PackActivationsKernel.TileRows - 1)) * 4) + t;
        return ((((long)tile * Stages) + stage) * PackActivationsKernel.StageWords) + (lane * 4);
    }
}
