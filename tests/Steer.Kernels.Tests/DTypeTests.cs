using Xunit;

namespace Steer.Kernels.Tests;

/// <summary>Rounding to bfloat16.</summary>
public sealed class DTypeTests
{
    [Theory]
    [InlineData(1f, 1f)]
    [InlineData(1.001f, 1f)]
    [InlineData(1.00390625f, 1f)] // 1 + 2^-8 lies between 1 and 1 + 2^-7, of which 1 is even.
    [InlineData(1.01171875f, 1.015625f)] // 1 + 3 * 2^-8: here the upper is.
    [InlineData(-3.4028235e38f, float.NegativeInfinity)]
    [InlineData(float.PositiveInfinity, float.PositiveInfinity)]
    [InlineData(1.4e-45f, 0f)]
    public void The_nearest_bfloat16_is_taken_and_of_two_the_even_one(float value, float expected) =>
        Assert.Equal(expected, DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(value)));

    [Fact]
    public void A_NaN_stays_one_though_only_its_lowest_bits_say_so() =>
        Assert.Equal(float.NaN, DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(BitConverter.UInt32BitsToSingle(0x7F800001))));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(1000)]
    public void A_row_is_rounded_as_its_numbers_are(int length)
    {
        var random = new Random(length);
        float[] values = [.. Enumerable.Range(0, length).Select(_ => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)))];
        var halves = new ushort[length + 1];
        halves[length] = 7;
        DTypeExtensions.NarrowBF16(values, halves);
        Assert.Equal(values.Select(DTypeExtensions.NarrowBF16).Append((ushort)7), halves);
        if (length > 0)
            Assert.Throws<ArgumentException>(() => DTypeExtensions.NarrowBF16(values, new ushort[length - 1]));
    }
}
