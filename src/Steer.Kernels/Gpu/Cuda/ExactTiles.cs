using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>A weight of floating-point numbers and activations in float32: products of their parts, see <see cref="FloatParts"/>.</summary>
/// <typeparam name="TWeight">How the weight's numbers come in parts.</typeparam>
internal struct ExactTile<TWeight> : ITileFormat
    where TWeight : struct, IExactWeight
{
    public readonly int WeightWords => default(TWeight).WeightWords;

    public readonly int RowWords => ExactTiles.RowWords;

    public readonly int Parts => default(TWeight).Parts;

    public readonly int HasScales => 0;

    public readonly GroupWeights Weights(Words4 words, Words4 more, Words4 scales, int group) => default(TWeight).Weights(words, more);

    public readonly GroupRows Rows(Words4 words, Words4 scales, int group) => ExactTiles.Rows(words);

    public readonly Sums4 Multiply(GroupWeights weights, GroupRows rows, Sums4 sums, ArrayView<uint> exchange) =>
        sums + ExactTiles.Multiply(Parts, weights, rows, exchange);
}

/// <summary>The members of <see cref="ITileFormat"/> in which weights of exact products differ.</summary>
internal interface IExactWeight
{
    /// <inheritdoc cref="ITileFormat.WeightWords"/>
    int WeightWords { get; }

    /// <inheritdoc cref="ITileFormat.Parts"/>
    int Parts { get; }

    /// <inheritdoc cref="ITileFormat.Weights"/>
    GroupWeights Weights(Words4 words, Words4 more);
}

/// <summary>bfloat16: one part.</summary>
internal struct ExactBF16 : IExactWeight
{
    public readonly int WeightWords => 2 * WeightLayout.PieceWords;

    public readonly int Parts => 1;

    public readonly GroupWeights Weights(Words4 words, Words4 more) => new() { Fragment = words };
}

/// <summary>Halves.</summary>
internal struct ExactF16 : IExactWeight
{
    public readonly int WeightWords => 2 * WeightLayout.PieceWords;

    public readonly int Parts => 2;

    public readonly GroupWeights Weights(Words4 words, Words4 more)
    {
        Floats4 low = FloatParts.Halves(words.X, words.Z), high = FloatParts.Halves(words.Y, words.W);
        return new()
        {
            Fragment = FloatParts.Leading(low, high),
            Second = FloatParts.Leading(FloatParts.Rest(low), FloatParts.Rest(high)),
        };
    }
}

/// <summary>float32.</summary>
internal struct ExactF32 : IExactWeight
{
    public readonly int WeightWords => 4 * WeightLayout.PieceWords;

    public readonly int Parts => 3;

    public readonly GroupWeights Weights(Words4 words, Words4 more)
    {
        Floats4 low = Floats4.Of(words), high = Floats4.Of(more);
        Floats4 lowRest = FloatParts.Rest(low), highRest = FloatParts.Rest(high);
        return new()
        {
            Fragment = FloatParts.Leading(low, high),
            Second = FloatParts.Leading(lowRest, highRest),
            Third = FloatParts.Leading(FloatParts.Rest(lowRest), FloatParts.Rest(highRest)),
        };
    }
}

/// <summary>
/// What formats with exact activations share. A group's products are summed from the small parts up to the product of the leading ones, so that a
/// tensor core, which cuts off where others round, loses as little as one rounding; and groups are added in float32, rounded to nearest.
/// </summary>
internal static class ExactTiles
{
    /// <summary>Words of a stage of a tile of activations.</summary>
    public const int RowWords = TensorProduct.ExactStage * PackedRows.TileRows;

    /// <summary>The parts of a group.</summary>
    public static GroupRows Rows(Words4 words)
    {
        Floats4 numbers = Floats4.Of(words), rest = FloatParts.Rest(numbers);
        return new()
        {
            Fragment = FloatParts.Leading(numbers),
            Second = FloatParts.Leading(rest),
            Third = FloatParts.Leading(FloatParts.Rest(rest)),
        };
    }

    /// <summary>The products of a group.</summary>
    public static Sums4 Multiply(int parts, GroupWeights weights, GroupRows rows, ArrayView<uint> exchange)
    {
        Sums4 sums = default;
        if (parts > 2)
        {
            // That of the third parts is below 2^-30 of the whole: far less than the rounding of a sum.
            sums = TensorCore.MultiplyBF16(weights.Third, rows.Second, sums, exchange);
            sums = TensorCore.MultiplyBF16(weights.Third, rows.Fragment, sums, exchange);
        }

        if (parts > 1)
            sums = Add(weights.Second, rows, sums, exchange);
        return Add(weights.Fragment, rows, sums, exchange);
    }

    /// <summary>
    /// Adds the products of both groups of a stage, to the same bits as one after the other, but side by side: a tensor core begins a step every few
    /// cycles, and one that waits for the step before takes several times as long.
    /// </summary>
    public static Sums4 MultiplyStage(
        int parts, GroupWeights weights, GroupRows rows, GroupWeights nextWeights, GroupRows nextRows, Sums4 sums, ArrayView<uint> exchange)
    {
        Sums4 first = default, second = default;
        if (parts > 2)
        {
            first = TensorCore.MultiplyBF16(weights.Third, rows.Second, first, exchange);
            second = TensorCore.MultiplyBF16(nextWeights.Third, nextRows.Second, second, exchange);
            first = TensorCore.MultiplyBF16(weights.Third, rows.Fragment, first, exchange);
            second = TensorCore.MultiplyBF16(nextWeights.Third, nextRows.Fragment, second, exchange);
        }

        if (parts > 1)
        {
            first = TensorCore.MultiplyBF16(weights.Second, rows.Third, first, exchange);
            second = TensorCore.MultiplyBF16(nextWeights.Second, nextRows.Third, second, exchange);
            first = TensorCore.MultiplyBF16(weights.Second, rows.Second, first, exchange);
            second = TensorCore.MultiplyBF16(nextWeights.Second, nextRows.Second, second, exchange);
            first = TensorCore.MultiplyBF16(weights.Second, rows.Fragment, first, exchange);
            second = TensorCore.MultiplyBF16(nextWeights.Second, nextRows.Fragment, second, exchange);
        }

        first = TensorCore.MultiplyBF16(weights.Fragment, rows.Third, first, exchange);
        second = TensorCore.MultiplyBF16(nextWeights.Fragment, nextRows.Third, second, exchange);
        first = TensorCore.MultiplyBF16(weights.Fragment, rows.Second, first, exchange);
        second = TensorCore.MultiplyBF16(nextWeights.Fragment, nextRows.Second, second, exchange);
        first = TensorCore.MultiplyBF16(weights.Fragment, rows.Fragment, first, exchange);
        second = TensorCore.MultiplyBF16(nextWeights.Fragment, nextRows.Fragment, second, exchange);
        return sums + first + second;
    }

    // One part of the weights times all parts of the activations.
    private static Sums4 Add(Words4 weights, GroupRows rows, Sums4 sums, ArrayView<uint> exchange)
    {
        sums = TensorCore.MultiplyBF16(weights, rows.Third, sums, exchange);
        sums = TensorCore.MultiplyBF16(weights, rows.Second, sums, exchange);
        return TensorCore.MultiplyBF16(weights, rows.Fragment, sums, exchange);
    }
}
