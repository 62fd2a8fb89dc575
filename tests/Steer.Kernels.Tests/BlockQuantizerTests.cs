using Xunit;

namespace Steer.Kernels.Tests;

/// <summary>Blocks of 8 and 4 bits: how far a number may move, and the ends of the range.</summary>
public sealed class BlockQuantizerTests
{
    public static TheoryData<float[]> Blocks => new(
        Enumerable.Range(0, 40).Select(seed => Matrix.Random(seed, 1, 1 + (seed % BlockQuantizer.BlockSize)).Data)
            .Append([0f, 0, 0])
            .Append([-3f, -3, -3])
            .Append([5f, 5.5f])
            .Append([1e-38f, -1e-39f, float.Epsilon])
            .Append([float.MaxValue, -1, 0])
            .Append([1e30f, 2e30f]));

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Int8_moves_a_number_by_at_most_half_a_step(float[] block)
    {
        var q = new sbyte[block.Length];
        double scale = DTypeExtensions.WidenBF16(BlockQuantizer.Int8(block, q));
        double max = block.Max(Math.Abs);
        Assert.InRange(scale, max / 127 * (1 - 1e-6), (max / 127 * 1.01) + 1e-40);
        Assert.All(block.Zip(q), pair => Assert.InRange(Math.Abs(pair.First - (pair.Second * scale)), 0, scale * 0.5001));
    }

    /// <summary>Whole blocks are quantised by vectors, shorter ones number by number.</summary>
    [Theory]
    [MemberData(nameof(Blocks))]
    public void Numbers_that_fill_a_block_up_change_none_of_the_others(float[] block)
    {
        float[] whole = [.. block, .. Enumerable.Repeat(block[0], BlockQuantizer.BlockSize - block.Length)];
        sbyte[] signed = new sbyte[block.Length], signedOfWhole = new sbyte[whole.Length];
        Assert.Equal(BlockQuantizer.Int8(block, signed), BlockQuantizer.Int8(whole, signedOfWhole));
        Assert.Equal(signed, signedOfWhole[..block.Length]);
        Assert.Equal(BlockQuantizer.Activations(block, signed), BlockQuantizer.Activations(whole, signedOfWhole));
        Assert.Equal(signed, signedOfWhole[..block.Length]);
        byte[] unsigned = new byte[block.Length], unsignedOfWhole = new byte[whole.Length];
        Assert.Equal(BlockQuantizer.Int4(block, unsigned), BlockQuantizer.Int4(whole, unsignedOfWhole));
        Assert.Equal(unsigned, unsignedOfWhole[..block.Length]);
    }

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Int4_moves_a_number_by_at_most_half_a_step(float[] block)
    {
        var q = new byte[block.Length];
        var (scaleBits, minimumBits) = BlockQuantizer.Int4(block, q);
        double scale = DTypeExtensions.WidenBF16(scaleBits), minimum = DTypeExtensions.WidenBF16(minimumBits);
        Assert.True(minimum <= block.Min());
        Assert.True(minimum + (15 * scale) >= block.Max() - (Math.Abs(block.Max()) * 1e-6));
        Assert.All(q, value => Assert.InRange(value, 0, 15));
        Assert.All(block.Zip(q), pair => Assert.InRange(Math.Abs(pair.First - (minimum + (pair.Second * scale))), 0, (scale * 0.5001) + 1e-44));
    }

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Activations_move_by_at_most_half_a_step(float[] block)
    {
        var q = new sbyte[block.Length];
        double scale = BlockQuantizer.Activations(block, q);
        Assert.Equal(block.Max(Math.Abs) / 127f, scale);
        Assert.All(block.Zip(q), pair => Assert.InRange(Math.Abs(pair.First - (pair.Second * scale)), 0, (scale * 0.5001) + 1e-43));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void What_is_not_finite_is_refused_in_weights_and_stays_so_in_activations(float bad)
    {
        float[] whole = [.. Enumerable.Repeat(1f, BlockQuantizer.BlockSize - 3), -1, bad, 2];
        foreach (float[] block in new float[][] { [1, bad, 2], whole })
        {
            Assert.Throws<InvalidDataException>(() => BlockQuantizer.Int8(block, new sbyte[block.Length]));
            Assert.Throws<InvalidDataException>(() => BlockQuantizer.Int4(block, new byte[block.Length]));
            Assert.Equal(float.NaN, BlockQuantizer.Activations(block, new sbyte[block.Length]));
        }
    }

    [Fact]
    public void A_span_wider_than_float32_is_refused() =>
        Assert.Throws<InvalidDataException>(() => BlockQuantizer.Int4([float.MaxValue, -float.MaxValue], new byte[2]));
}
