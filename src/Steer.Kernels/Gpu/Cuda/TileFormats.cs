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

/// <summary>
/// A stage of a tile of 16 weight rows as a lane reads it: 16 bytes of each group, twice as many of float32, or 16 of both; and its scales.
/// </summary>
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
/// A stage in shared memory: the numbers of all tiles of weight rows, of all tiles of activation rows, and behind them their scales where there are
/// any.
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
    public int Words => Scales + (HasScales * ((Tiles * WeightScales) + (RowTiles * PackedRows.StageScales)));
}

/// <summary>How tiles of a weight are read and multiplied. Groups are constants where these are called.</summary>
internal interface ITileFormat
{
    /// <summary>Words of a stage of a tile of weights, without scales.</summary>
    int WeightWords { get; }

    /// <summary>Words of a stage of a tile of activations, without scales.</summary>
    int RowWords { get; }

    /// <summary>
    /// Of exact products, whose activations are read as they are, in float32, the parts of a weight (see <see cref="FloatParts"/>). 0 where
    /// activations are rounded and packed, see <see cref="PackedRows"/>.
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
