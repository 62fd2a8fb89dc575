using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Activations in the order of tensor cores' fragments (see <see cref="TensorCore"/>): [tiles of 8 rows][stages][32 lanes][16 bytes of both groups],
/// as bfloat16, or in 8 bits with the scale of each block and row and that scale times the sum of its numbers, [tiles][stages][2 groups][8 rows][2].
/// k is filled up with zeros; rows past the last of x are left as they are: what they make nobody stores, and it touches no other row. Whatever makes
/// activations may write them in this form too; the default is nowhere.
/// </summary>
internal struct PackedRows
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 8;

    /// <summary>Words of one stage of a tile: 16 bytes for each lane.</summary>
    public const int StageWords = 4 * Warps.Size;

    /// <summary>Scales and scaled sums of one stage of a tile.</summary>
    public const int StageScales = WeightLayout.GroupsPerStage * TileRows * 2;

    /// <summary>Most threads of a group that packs.</summary>
    public const int MaxThreads = 256;

    /// <summary>Words of a block of 8 bits.</summary>
    private const int BlockUnits = 8;

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

    /// <summary>What one thread packs of a row: 16 bytes of bfloat16, or one word of 8 bits.</summary>
    public readonly int UnitLength => Type == DType.BF16 ? 8 : BlockQuantizer.BlockSize / BlockUnits;

    /// <summary>Columns of a row, with what it is filled up with.</summary>
    public readonly int Columns => Units * UnitLength;

    /// <summary>Units of a row.</summary>
    public readonly int Units => Stages * (Type == DType.BF16 ? 4 : WeightLayout.GroupsPerStage * BlockUnits);

    /// <summary>
    /// Has a group pack columns [start, start + count) of a row that its threads wrote, each some; both are multiples of a block. All threads call.
    /// </summary>
    public readonly void PackOwn(TensorView x, int row, int start, int count)
    {
        if (Rows == 0)
            return;
        Group.Barrier();
        Pack(x, row, start / UnitLength, (start + count) / UnitLength);
    }

    /// <summary>
    /// Has a group pack units [first, end) of a row, whole blocks. All threads call; there are whole blocks of them, and at most
    /// <see cref="MaxThreads"/>.
    /// </summary>
    public readonly void Pack(TensorView x, int row, int first, int end)
    {
        ArrayView<float> largest = SharedMemory.Allocate<float>(MaxThreads), sums = SharedMemory.Allocate<float>(MaxThreads);
        end = Math.Min(end, Units);
        if (Type == DType.BF16)
        {
            for (int unit = first + Group.IdxX; unit < end; unit += Group.DimX)
                PackBF16(x, row, unit);
        }
        else
        {
            for (int unit = first; unit < end; unit += Group.DimX)
                PackInt8(x, row, unit + Group.IdxX, end, largest, sums);
        }
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

    // Eight neighbouring threads make a block: each reads four numbers, and they tell each other the largest and the sums.
    private readonly void PackInt8(TensorView x, int row, int unit, int end, ArrayView<float> largest, ArrayView<float> sums)
    {
        int k = unit * (BlockQuantizer.BlockSize / BlockUnits), columns = row < x.Rows && unit < end ? x.Columns : 0;
        var own = new Floats4
        {
            X = k < columns ? x[row, k] : 0,
            Y = k + 1 < columns ? x[row, k + 1] : 0,
            Z = k + 2 < columns ? x[row, k + 2] : 0,
            W = k + 3 < columns ? x[row, k + 3] : 0,
        };
        largest[Group.IdxX] = ActivationBlock.Largest(own);
        Group.Barrier();
        int first = Group.IdxX & ~(BlockUnits - 1), sum = 0;
        float scale = ActivationBlock.Scale(largest, first, BlockUnits);
        uint word = Quantise(own.X, scale, 0, ref sum) | Quantise(own.Y, scale, 8, ref sum)
            | Quantise(own.Z, scale, 16, ref sum) | Quantise(own.W, scale, 24, ref sum);
        sums[Group.IdxX] = sum;
        Group.Barrier();
        if (unit >= end)
            return;
        int block = unit / BlockUnits, ofBlock = unit & (BlockUnits - 1);
        int stage = block / WeightLayout.GroupsPerStage, group = block & (WeightLayout.GroupsPerStage - 1);
        Words[Place(row, stage, ofBlock / 2) + (group * 2) + (ofBlock & 1)] = word;
        if (ofBlock != 0)
            return;
        float all = 0;
        for (int i = 0; i < BlockUnits; i++)
            all += sums[first + i];
        int tile = row / TileRows, ofTile = row & (TileRows - 1);
        long place = ((((long)tile * Stages * WeightLayout.GroupsPerStage) + block) * TileRows * 2) + (ofTile * 2);
        Scales[place] = scale;
        Scales[place + 1] = scale * all;
    }

    private static uint Quantise(float value, float scale, int shift, ref int sum)
    {
        int q = ActivationBlock.Quantise(value, scale);
        sum += q;
        return (uint)(q & 255) << shift;
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
        int tile = row / TileRows, lane = ((row & (TileRows - 1)) * 4) + t;
        return ((((long)tile * Stages) + stage) * StageWords) + (lane * 4);
    }
}
