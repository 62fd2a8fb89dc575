using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>One group of a tile of 16 weight rows, in a lane's registers.</summary>
internal struct GroupWeights
{
    /// <summary>The numbers, or their first parts.</summary>
    public Words4 Fragment;

    /// <summary>Second parts, where there are any.</summary>
    public Words4 Second;

    /// <summary>Third parts, where there are any.</summary>
    public Words4 Third;

    /// <summary>Word of scale and minimum of row g.</summary>
    public uint Low;

    /// <summary>The same of row g + 8.</summary>
    public uint High;
}

/// <summary>A stage of a tile of 16 weight rows as a lane reads it: 16 bytes of each group, twice as many of float32, or 16 of both; and its scales.</summary>
internal struct StageWeights
{
    public Words4 A;
    public Words4 B;
    public Words4 C;
    public Words4 D;
    public Words4 Scales;
}

/// <summary>One group of a tile of 8 activation rows, in a lane's registers.</summary>
internal struct GroupRows
{
    /// <summary>The numbers, or their first parts.</summary>
    public Words2 Fragment;

    /// <summary>Second parts of float32.</summary>
    public Words2 Second;

    /// <summary>Third parts of float32.</summary>
    public Words2 Third;

    /// <summary>Scale and scaled sum of row 2t, and of row 2t + 1.</summary>
    public Words4 Scales;
}

/// <summary>
/// A stage in shared memory: the numbers of all tiles of weight rows, of all tiles of activation rows, and behind them their scales where there are any.
/// </summary>
/// <param name="WeightWords">Words of a tile of weights.</param>
/// <param name="RowWords">Words of a tile of activations.</param>
/// <param name="HasScales">1 where there are scales.</param>
/// <param name="Tiles">Tiles of 16 weight rows; where several stages are held together, of each.</param>
/// <param name="RowTiles">Tiles of 8 rows of activations, likewise.</param>
internal readonly record struct StagePlan(int WeightWords, int RowWords, int HasScales, int Tiles, int RowTiles)
{
    /// <summary>Words of a tile's scales.</summary>
    public const int WeightScales = WeightLayout.TileRows * WeightLayout.GroupsPerStage;

    /// <summary>Where activations begin.</summary>
    public int Rows => Tiles * WeightWords;

    /// <summary>Where scales of weights begin.</summary>
    public int Scales => Rows + (RowTiles * RowWords);

    /// <summary>Where scales of activations begin.</summary>
    public int RowScales => Scales + (Tiles * WeightScales);

    /// <summary>Words in all.</summary>
    public int Words => Scales + (HasScales * ((Tiles * WeightScales) + (RowTiles * PackActivationsKernel.StageScales)));
}

/// <summary>How tiles of a weight are read and multiplied. Groups are constants where these are called.</summary>
internal interface ITileFormat
{
    /// <summary>Words of a stage of a tile of weights, without scales.</summary>
    int WeightWords { get; }

    /// <summary>Words of a stage of a tile of activations, without scales.</summary>
    int RowWords { get; }

    /// <summary>
    /// Of exact products, whose activations are read as they are, in float32, the parts of a weight (see <see cref="FloatParts"/>). 0 where activations are
    /// rounded and packed, see <see cref="PackedRows"/>.
    /// </summary>
    int Parts { get; }

    /// <summary>1 where weights and activations have scales.</summary>
    int HasScales { get; }

    /// <summary>A lane's part of a group of a tile of weights.</summary>
    /// <param name="words">What it read of the group, or of both where a group has less than 16 bytes.</param>
    /// <param name="more">Of float32, the second half of it.</param>
    /// <param name="scales">Scales of both groups.</param>
    /// <param name="group">The group.</param>
    GroupWeights Weights(Words4 words, Words4 more, Words4 scales, int group);

    /// <summary>A lane's part of a group of a tile of activations.</summary>
    /// <param name="words">What it read: words of both groups, or the four float32 of this one.</param>
    /// <param name="scales">Its scales of the group.</param>
    /// <param name="group">The group.</param>
    GroupRows Rows(Words4 words, Words4 scales, int group);

    /// <summary>Adds the products of one group.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="rows">The activations.</param>
    /// <param name="sums">What to add to.</param>
    /// <param name="exchange">See <see cref="TensorCore"/>.</param>
    Sums4 Multiply(GroupWeights weights, GroupRows rows, Sums4 sums, ArrayView<uint> exchange);
}

/// <summary>What tile formats share.</summary>
internal static class TileWords
{
    /// <summary>Words that the lanes of a warp read at once, 16 bytes each.</summary>
    private const int PieceWords = 4 * Warps.Size;

    /// <summary>Reads a lane's part of a group of a tile of weights from shared memory, where both views begin at the lane's.</summary>
    public static GroupWeights LoadWeights<TFormat>(TFormat format, ArrayView<uint> words, ArrayView<uint> scales, int group)
        where TFormat : struct, ITileFormat
    {
        int place = group * (format.WeightWords / WeightLayout.GroupsPerStage / PieceWords);
        Words4 more = format.WeightWords > 2 * PieceWords ? Load(words, place + 1) : default;
        return format.Weights(Load(words, place), more, format.HasScales != 0 ? WideMemory.LoadShared(scales, 0) : default, group);
    }

    /// <summary>Reads a lane's part of a stage of a tile of weights from global memory, where both views begin at the lane's part of the first.</summary>
    public static StageWeights LoadStage<TFormat>(TFormat format, ArrayView<uint> words, ArrayView<uint> scales, int stage)
        where TFormat : struct, ITileFormat
    {
        int place = stage * format.WeightWords;
        bool halves = format.WeightWords > PieceWords, quarters = format.WeightWords > 2 * PieceWords;
        return new()
        {
            A = WideMemory.LoadConstant(words, place),
            B = halves ? WideMemory.LoadConstant(words, place + PieceWords) : default,
            C = quarters ? WideMemory.LoadConstant(words, place + (2 * PieceWords)) : default,
            D = quarters ? WideMemory.LoadConstant(words, place + (3 * PieceWords)) : default,
            Scales = format.HasScales != 0 ? WideMemory.LoadConstant(scales, stage * StagePlan.WeightScales) : default,
        };
    }

    /// <summary>A group of a stage that was read.</summary>
    public static GroupWeights Weights<TFormat>(TFormat format, StageWeights stage, int group)
        where TFormat : struct, ITileFormat => format.WeightWords > 2 * PieceWords
            ? format.Weights(group == 0 ? stage.A : stage.C, group == 0 ? stage.B : stage.D, default, group)
            : format.Weights(group == 0 || format.WeightWords == PieceWords ? stage.A : stage.B, default, stage.Scales, group);

    /// <summary>A lane's part of one tile and group, where a lane's words of a group are 16 bytes and <paramref name="words"/> begins at the first.</summary>
    public static Words4 Load(ArrayView<uint> words, int group) => WideMemory.LoadShared(words, group * PieceWords);

    /// <summary>Reads a lane's part of a group of a tile of activations; where activations are packed, of both groups.</summary>
    public static Words4 LoadRows<TFormat>(TFormat format, ArrayView<uint> words, int group)
        where TFormat : struct, ITileFormat => Load(words, format.Parts == 0 ? 0 : group);

    /// <summary>Reads a lane's scales of a group of a tile of activations, where <paramref name="scales"/> begins at the lane's; nothing where there are none.</summary>
    public static Words4 RowScales<TFormat>(TFormat format, ArrayView<uint> scales, int group)
        where TFormat : struct, ITileFormat => format.HasScales == 0
            ? default
            : WideMemory.LoadShared(scales, group * 2 * PackActivationsKernel.TileRows);

    /// <summary>Where among the scales of a tile of weights a lane's are.</summary>
    public static int ScaleOf(int lane) => lane & ~3;

    /// <summary>Where among the scales of a tile of activations a lane's are.</summary>
    public static int RowScaleOf(int lane) => 4 * (lane & 3);

    /// <summary>Lays a lane's sums out as [rows][columns], each row <paramref name="stride"/> words after the one before; its first is at <paramref name="start"/>.</summary>
    public static void Put(ArrayView<uint> shared, int start, int stride, Sums4 sums)
    {
        shared[start] = Interop.FloatAsInt(sums.X);
        shared[start + stride] = Interop.FloatAsInt(sums.Y);
        shared[start + 8] = Interop.FloatAsInt(sums.Z);
        shared[start + stride + 8] = Interop.FloatAsInt(sums.W);
    }
}
