using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>One stage of a tile of 16 weight rows, in a lane's registers.</summary>
internal struct StageWeights
{
    public Words4 A;
    public Words4 B;
    public Words4 C;
    public Words4 D;

    /// <summary>Words of scale and minimum of the four groups, of row g.</summary>
    public Words4 ScalesLow;

    /// <summary>The same of row g + 8.</summary>
    public Words4 ScalesHigh;
}

/// <summary>One stage of a tile of 8 rows of activations, in a lane's registers.</summary>
internal struct StageRows
{
    /// <summary>Fragments of groups 0 and 1.</summary>
    public Words4 A;

    /// <summary>Fragments of groups 2 and 3.</summary>
    public Words4 B;

    /// <summary>Scale and scaled sum of row 2t, and of row 2t + 1, of group 0; then of the other groups.</summary>
    public Words4 Scales0;
    public Words4 Scales1;
    public Words4 Scales2;
    public Words4 Scales3;

    /// <summary>The fragment of one group.</summary>
    public readonly Words2 Fragment(int group)
    {
        Words4 pair = group < 2 ? A : B;
        return group % 2 == 0 ? new Words2 { X = pair.X, Y = pair.Y } : new Words2 { X = pair.Z, Y = pair.W };
    }

    /// <summary>The scales of one group.</summary>
    public readonly Words4 Scales(int group) => group == 0 ? Scales0 : group == 1 ? Scales1 : group == 2 ? Scales2 : Scales3;
}

/// <summary>How tiles of a weight are read and multiplied. Groups are constants where these are called.</summary>
internal interface ITileFormat
{
    /// <summary>1 where activations have scales.</summary>
    int HasScales { get; }

    /// <summary>Reads the numbers of a stage of a tile.</summary>
    StageWeights Load(WeightView weight, int tile, int stage, int lane);

    /// <summary>Adds its scales.</summary>
    StageWeights LoadScales(StageWeights weights, WeightView weight, int tile, int stage, int lane);

    /// <summary>Adds the products of one group of 8 words.</summary>
    Sums4 Multiply(StageWeights weights, StageRows rows, int group, Sums4 sums, ArrayView<uint> exchange);
}

internal struct BF16Tile : ITileFormat
{
    public readonly int HasScales => 0;

    public readonly StageWeights Load(WeightView weight, int tile, int stage, int lane) => TileWords.Load(weight, tile, stage, lane);

    public readonly StageWeights LoadScales(StageWeights weights, WeightView weight, int tile, int stage, int lane) => weights;

    public readonly Sums4 Multiply(StageWeights weights, StageRows rows, int group, Sums4 sums, ArrayView<uint> exchange) =>
        TensorCore.MultiplyBF16(TileWords.Group(weights, group), rows.Fragment(group), sums, exchange);
}

internal struct Int8Tile : ITileFormat
{
    public readonly int HasScales => 1;

    public readonly StageWeights Load(WeightView weight, int tile, int stage, int lane) => TileWords.Load(weight, tile, stage, lane);

    public readonly StageWeights LoadScales(StageWeights weights, WeightView weight, int tile, int stage, int lane) =>
        TileWords.LoadScales(weights, weight, tile, stage, lane);

    public readonly Sums4 Multiply(StageWeights weights, StageRows rows, int group, Sums4 sums, ArrayView<uint> exchange)
    {
        Counts4 counts = TensorCore.MultiplyInt8(TileWords.Group(weights, group), rows.Fragment(group), exchange);
        return TileWords.Scale(weights, rows, group, counts, sums);
    }
}

internal struct Int4Tile : ITileFormat
{
    public readonly int HasScales => 1;

    public readonly StageWeights Load(WeightView weight, int tile, int stage, int lane)
    {
        long start = ((((long)tile * weight.Layout.Steps) + stage) * weight.Layout.StepWords) + (4 * lane);
        return new StageWeights { A = WideMemory.LoadGlobal(weight.Words, start), B = WideMemory.LoadGlobal(weight.Words, start + 128) };
    }

    public readonly StageWeights LoadScales(StageWeights weights, WeightView weight, int tile, int stage, int lane) =>
        TileWords.LoadScales(weights, weight, tile, stage, lane);

    public readonly Sums4 Multiply(StageWeights weights, StageRows rows, int group, Sums4 sums, ArrayView<uint> exchange)
    {
        const uint Nibbles = 0x0F0F0F0F;
        Words4 pair = group < 2 ? weights.A : weights.B;
        uint first = group % 2 == 0 ? pair.X : pair.Z, second = group % 2 == 0 ? pair.Y : pair.W;
        var fragment = new Words4 { X = first & Nibbles, Y = (first >> 4) & Nibbles, Z = second & Nibbles, W = (second >> 4) & Nibbles };
        Counts4 counts = TensorCore.MultiplyInt8(fragment, rows.Fragment(group), exchange);
        sums = TileWords.Scale(weights, rows, group, counts, sums);

        // The minimum of a block times the sum of the activations that meet it.
        Words4 x = rows.Scales(group);
        float low = Numbers.Minimum(TileWords.Word(weights.ScalesLow, group)), high = Numbers.Minimum(TileWords.Word(weights.ScalesHigh, group));
        float firstSum = Interop.IntAsFloat(x.Y), secondSum = Interop.IntAsFloat(x.W);
        sums.X = KernelMath.FusedMultiplyAdd(low, firstSum, sums.X);
        sums.Y = KernelMath.FusedMultiplyAdd(low, secondSum, sums.Y);
        sums.Z = KernelMath.FusedMultiplyAdd(high, firstSum, sums.Z);
        sums.W = KernelMath.FusedMultiplyAdd(high, secondSum, sums.W);
        return sums;
    }
}

/// <summary>What tile formats share.</summary>
internal static class TileWords
{
    public static StageWeights Load(WeightView weight, int tile, int stage, int lane)
    {
        long start = ((((long)tile * weight.Layout.Steps) + stage) * weight.Layout.StepWords) + (4 * lane);
        return new StageWeights
        {
            A = WideMemory.LoadGlobal(weight.Words, start),
            B = WideMemory.LoadGlobal(weight.Words, start + 128),
            C = WideMemory.LoadGlobal(weight.Words, start + 256),
            D = WideMemory.LoadGlobal(weight.Words, start + 384),
        };
    }

    public static StageWeights LoadScales(StageWeights weights, WeightView weight, int tile, int stage, int lane)
    {
        const int RowWords = WeightLayout.GroupsPerStage;
        long start = (((((long)tile * weight.Layout.Steps) + stage) * WeightLayout.TileRows) + (lane / 4)) * RowWords;
        weights.ScalesLow = WideMemory.LoadGlobal(weight.Scales, start);
        weights.ScalesHigh = WideMemory.LoadGlobal(weight.Scales, start + (8 * RowWords));
        return weights;
    }

    public static Words4 Group(StageWeights weights, int group) =>
        group == 0 ? weights.A : group == 1 ? weights.B : group == 2 ? weights.C : weights.D;

    public static uint Word(Words4 words, int group) => group == 0 ? words.X : group == 1 ? words.Y : group == 2 ? words.Z : words.W;

    /// <summary>Adds whole numbers times the scales of their weight rows and activation rows.</summary>
    public static Sums4 Scale(StageWeights weights, StageRows rows, int group, Counts4 counts, Sums4 sums)
    {
        Words4 x = rows.Scales(group);
        float low = Numbers.BF16(Word(weights.ScalesLow, group)), high = Numbers.BF16(Word(weights.ScalesHigh, group));
        float first = Interop.IntAsFloat(x.X), second = Interop.IntAsFloat(x.Z);
        sums.X = KernelMath.FusedMultiplyAdd(counts.X, low * first, sums.X);
        sums.Y = KernelMath.FusedMultiplyAdd(counts.Y, low * second, sums.Y);
        sums.Z = KernelMath.FusedMultiplyAdd(counts.Z, high * first, sums.Z);
        sums.W = KernelMath.FusedMultiplyAdd(counts.W, high * second, sums.W);
        return sums;
    }
}
