namespace Steer.Kernels.Tests.Guidance;

/// <summary>Philox 4x32-10 against the known-answer vectors that its authors publish with Random123 (file kat_vectors).</summary>
public sealed class PhiloxTests
{
    [Theory]
    [InlineData(new uint[] { 0, 0, 0, 0 }, 0UL, new uint[] { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 })]
    [InlineData(
        new[] { uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue },
        ulong.MaxValue,
        new uint[] { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd })]
    [InlineData(
        new uint[] { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
        0x299f31d0_a4093822UL,
        new uint[] { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 })]
    public void Block_gives_the_published_words(uint[] counter, ulong key, uint[] expected)
    {
        Philox.Block(key, ref counter[0], ref counter[1], ref counter[2], ref counter[3]);
        Assert.Equal(expected, counter);
    }

    [Fact]
    public void Uniform_takes_the_upper_53_bits_of_the_first_two_words()
    {
        Assert.Equal((0x6627e8d5e169c58dUL >> 11) * Math.Pow(2, -53), Philox.Uniform(0, 0));
        Assert.NotEqual(Philox.Uniform(1, 5), Philox.Uniform(1, 5, stream: 1));
        Assert.NotEqual(Philox.Uniform(1, 5), Philox.Uniform(1UL << 32, 5));
    }
}
