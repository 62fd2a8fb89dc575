using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>One group of a tile of 16 weight rows, in a lane's registers.</summary>
internal struct GroupWeights
{
    public Words4 Fragment;

    /// <summary>Word of scale and minimum of row g.</summary>
    public uint Low;

    /// <summary>The same of row g + 8.</summary>
    public uint High;
}

/// <summary>
/// A stage in shared memory: the numbers of all tiles of weight rows, of all tiles of activation rows, and behind them their scales where there are any.
/// </summary>
/// <param name="WeightWords">Words of a tile of weights.</param>
/// <param name="HasScales">1 where there are scales.</param>
/// <param name="Tiles">Tiles of 16 weight rows.</param>
/// <param name="RowTiles">Tiles of 8 rows of activations.</param>
internal readonly record struct StagePlan(int WeightWords, int HasScales, int Tiles, int RowTiles)
{
    /// <summary>Words of a tile's scales.</summary>
    public const int WeightScales = WeightLayout.TileRows * WeightLayout.GroupsPerStage;

    /// <summary>Where activations begin.</summary>
    public int Rows => Tiles * WeightWords;

    /// <summary>Where scales of weights begin.</summary>
    public int Scales => Rows + (RowTiles * PackActivationsKernel.StageWords);

    /// <summary>Where scales of activations begin.</summary>
    public int RowScales => Scales + (Tiles * WeightScales);

    /// <summary>Words in all.</summary>
    public int Words => Scales + (HasScales * ((Tiles * WeightScales) + (RowTiles * PackActivationsKernel.StageScales)));
}

/// <summary>How tiles of a weight are read and multiplied. Groups are constants where these are called.</summary>
internal interface ITileFormat
{
    /// <summary>Words of a stage of a tile, without scales.</summary>
    int WeightWords { get; }

    /// <summary>1 where weights and activations have scales.</summary>
    int HasScales { get; }

    /// <summary>Reads a lane's part of a group of a tile from shared memory.</summary>
    /// <param name="shared">Shared memory.</param>
    /// <param name="words">Where the tile begins.</param>
    /// <param name="scales">Where its scales begin.</param>
    /// <param name="group">The group.</param>
    /// <param name="lane">The lane.</param>
    GroupWeights Load(ArrayView<uint> shared, int words, int scales, int group, int lane);

    /// <summary>Adds the products of one group.</summary>
    /// <param name="weights">The weights.</param>
    /// <param name="rows">A lane's part of the activations.</param>
    /// <param name="scales">Scale and scaled sum of row 2t, and of row 2t + 1.</param>
    /// <param name="sums">What to add to.</param>
    /// <param name="exchange">See <see cref="TensorCore"/>.</param>
    Sums4 Multiply(GroupWeights weights, Words2 rows, Words4 scales, Sums4 sums, ArrayView<uint> exchange);
}

internal struct BF16Tile : ITileFormat
{
    public readonly int WeightWords => 256;

    public readonly int HasScales => 0;

    public readonly GroupWeights Load(ArrayView<uint> shared, int words, int scales, int group, int lane) =>
        new() { Fragment = WideMemory.LoadShared(shared, words + (group * 128) + (4 * lane)) };

    public readonly Sums4 Multiply(GroupWeights weights, Words2 rows, Words4 scales, Sums4 sums, ArrayView<uint> exchange) =>
        TensorCore.MultiplyBF16(weights.Fragment, rows, sums, exchange);
}

internal struct Int8Tile : ITileFormat
{
    public readonly int WeightWords => 256;

    public readonly int HasScales => 1;

    public readonly GroupWeights Load(ArrayView<uint> shared, int words, int scales, int group, int lane) =>
        TileWords.AddScales(WideMemory.LoadShared(shared, words + (group * 128) + (4 * lane)), shared, scales, group, lane);

    public readonly Sums4 Multiply(GroupWeights weights, Words2 rows, Words4 scales, Sums4 sums, ArrayView<uint> exchange) =>
        TileWords.MultiplyInt8(weights, rows, scales, sums, exchange);
}

internal struct Int4Tile : ITileFormat
{
    public readonly int WeightWords => 128;

    public readonly int HasScales => 1;

    public readonly GroupWeights Load(ArrayView<uint> shared, int words, int scales, int group, int lane)
    {
        const uint Nibbles = 0x0F0F0F0F;
        Words4 both = WideMemory.LoadShared(shared, words + (4 * lane));
        uint first = group == 0 ? both.X : both.Z, second = group == 0 ? both.Y : both.W;
        // A byte holds a number of row g and one of row g + 8.
        var fragment = new Words4 { X = first & Nibbles, Y = (first >> 4) & Nibbles, Z = second & Nibbles, W = (second >> 4) & Nibbles };
        return TileWords.AddScales(fragment, shared, scales, group, lane);
    }

    public readonly Sums4 Multiply(GroupWeights weights, Words2 rows, Words4 scales, Sums4 sums, ArrayView<uint> exchange)
    {
        sums = TileWords.MultiplyInt8(weights, rows, scales, sums, exchange);

        // The minimum of a block times the sum of the activations that meet it.
        float low = Numbers.Minimum(weights.Low), high = Numbers.Minimum(weights.High);
        float first = Interop.IntAsFloat(scales.Y), second = Interop.IntAsFloat(scales.W);
        sums.X = KernelMath.FusedMultiplyAdd(low, first, sums.X);
        sums.Y = KernelMath.FusedMultiplyAdd(low, second, sums.Y);
        sums.Z = KernelMath.FusedMultiplyAdd(high, first, sums.Z);
        sums.W = KernelMath.FusedMultiplyAdd(high, second, sums.W);
        return sums;
    }
}

/// <summary>What tile formats share.</summary>
internal static class TileWords
{
    public static GroupWeights AddScales(Words4 fragment, ArrayView<uint> shared, int scales, int group, int lane)
    {
        Words4 both = WideMemory.LoadShared(shared, scales + (lane & ~3));
        return new() { Fragment = fragment, Low = group == 0 ? both.X : both.Y, High = group == 0 ? both.Z : both.W };
    }

    /// <summary>One group of a lane's part of a tile of activations.</summary>
    public static Words2 Fragment(Words4 rows, int group) =>
        group == 0 ? new Words2 { X = rows.X, Y = rows.Y } : new Words2 { X = rows.Z, Y = rows.W };

    /// <summary>Reads a lane's scales of a group of a tile of activations, that begin at <paramref name="scales"/>; nothing where there are none.</summary>
    public static Words4 RowScales<TFormat>(TFormat format, ArrayView<uint> shared, int scales, int group, int lane)
        where TFormat : struct, ITileFormat => format.HasScales == 0
            ? default
            : WideMemory.LoadShared(shared, scales + (group * 2 * PackActivationsKernel.TileRows) + (4 * (lane & 3)));

    /// <summary>Adds whole numbers times the scales of their weight rows and activation rows.</summary>
    public static Sums4 MultiplyInt8(GroupWeights weights, Words2 rows, Words4 scales, Sums4 sums, ArrayView<uint> exchange)
    {
        Sums4 counts = TensorCore.MultiplyInt8(weights.Fragment, rows, exchange);
        float low = Numbers.BF16(weights.Low), high = Numbers.BF16(weights.High);
        float first = Interop.IntAsFloat(scales.X), second = Interop.IntAsFloat(scales.Z);
        sums.X = KernelMath.FusedMultiplyAdd(counts.X, low * first, sums.X);
        sums.Y = KernelMath.FusedMultiplyAdd(counts.Y, low * second, sums.Y);
        sums.Z = KernelMath.FusedMultiplyAdd(counts.Z, high * first, sums.Z);
        sums.W = KernelMath.FusedMultiplyAdd(counts.W, high * second, sums.W);
        return sums;
    }
}
