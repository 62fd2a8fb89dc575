using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>bfloat16, and activations rounded to it.</summary>
internal struct BF16Tile : ITileFormat
{
    public readonly int WeightWords => 2 * WeightLayout.PieceWords;

    public readonly int RowWords => PackedRows.StageWords;

    public readonly int Parts => 0;

    public readonly int HasScales => 0;

    public readonly GroupWeights Weights(Words4 words, Words4 more, Words4 scales, int group) => new() { Fragment = words };

    public readonly GroupRows Rows(Words4 words, Words4 scales, int group) => RoundedTiles.Rows(words, scales, group);

    public readonly Sums4 Multiply(GroupWeights weights, GroupRows rows, Sums4 sums, ArrayView<uint> exchange) =>
        TensorCore.MultiplyBF16(weights.Fragment, rows.Fragment, sums, exchange);
}

/// <summary>Blocks of 8 bits, and such activations.</summary>
internal struct Int8Tile : ITileFormat
{
    public readonly int WeightWords => 2 * WeightLayout.PieceWords;

    public readonly int RowWords => PackedRows.StageWords;

    public readonly int Parts => 0;

    public readonly int HasScales => 1;

    public readonly GroupWeights Weights(Words4 words, Words4 more, Words4 scales, int group) => RoundedTiles.AddScales(words, scales, group);

    public readonly GroupRows Rows(Words4 words, Words4 scales, int group) => RoundedTiles.Rows(words, scales, group);

    public readonly Sums4 Multiply(GroupWeights weights, GroupRows rows, Sums4 sums, ArrayView<uint> exchange) =>
        RoundedTiles.MultiplyInt8(weights, rows, sums, exchange);
}

/// <summary>Blocks of 4 bits, and activations in 8.</summary>
internal struct Int4Tile : ITileFormat
{
    public readonly int WeightWords => WeightLayout.PieceWords;

    public readonly int RowWords => PackedRows.StageWords;

    public readonly int Parts => 0;

    public readonly int HasScales => 1;

    public readonly GroupWeights Weights(Words4 words, Words4 more, Words4 scales, int group)
    {
        const uint Nibbles = 0x0F0F0F0F;
        uint first = group == 0 ? words.X : words.Z, second = group == 0 ? words.Y : words.W;
        // A byte holds a number of row g and one of row g + 8.
        var fragment = new Words4 { X = first & Nibbles, Y = (first >> 4) & Nibbles, Z = second & Nibbles, W = (second >> 4) & Nibbles };
        return RoundedTiles.AddScales(fragment, scales, group);
    }

    public readonly GroupRows Rows(Words4 words, Words4 scales, int group) => RoundedTiles.Rows(words, scales, group);

    public readonly Sums4 Multiply(GroupWeights weights, GroupRows rows, Sums4 sums, ArrayView<uint> exchange)
    {
        sums = RoundedTiles.MultiplyInt8(weights, rows, sums, exchange);

        // The minimum of a block times the sum of the activations that meet it.
        float low = Numbers.UpperBF16(weights.Low), high = Numbers.UpperBF16(weights.High);
        float first = Interop.IntAsFloat(rows.Scales.Y), second = Interop.IntAsFloat(rows.Scales.W);
        sums.X = KernelMath.FusedMultiplyAdd(low, first, sums.X);
        sums.Y = KernelMath.FusedMultiplyAdd(low, second, sums.Y);
        sums.Z = KernelMath.FusedMultiplyAdd(high, first, sums.Z);
        sums.W = KernelMath.FusedMultiplyAdd(high, second, sums.W);
        return sums;
    }
}

/// <summary>What formats with rounded activations share.</summary>
internal static class RoundedTiles
{
    /// <summary>The words of a group.</summary>
    public static GroupRows Rows(Words4 words, Words4 scales, int group) => new()
    {
        Fragment = group == 0 ? new Words2 { X = words.X, Y = words.Y } : new Words2 { X = words.Z, Y = words.W },
        Scales = scales,
    };

    /// <summary>A fragment of a group, with the words of scale and minimum of its rows.</summary>
    public static GroupWeights AddScales(Words4 fragment, Words4 scales, int group) =>
        new() { Fragment = fragment, Low = group == 0 ? scales.X : scales.Y, High = group == 0 ? scales.Z : scales.W };

    /// <summary>Adds whole numbers times the scales of their weight rows and activation rows.</summary>
    public static Sums4 MultiplyInt8(GroupWeights weights, GroupRows rows, Sums4 sums, ArrayView<uint> exchange)
    {
        Sums4 counts = TensorCore.MultiplyInt8(weights.Fragment, rows.Fragment, exchange);
        float low = Numbers.BF16(weights.Low), high = Numbers.BF16(weights.High);
        float first = Interop.IntAsFloat(rows.Scales.X), second = Interop.IntAsFloat(rows.Scales.Z);
        sums.X = KernelMath.FusedMultiplyAdd(counts.X, low * first, sums.X);
        sums.Y = KernelMath.FusedMultiplyAdd(counts.Y, low * second, sums.Y);
        sums.Z = KernelMath.FusedMultiplyAdd(counts.Z, high * first, sums.Z);
        sums.W = KernelMath.FusedMultiplyAdd(counts.W, high * second, sums.W);
        return sums;
    }
}
