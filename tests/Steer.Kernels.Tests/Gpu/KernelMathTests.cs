using Steer.Kernels.Gpu;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>The functions that GPU kernels share, against float64. ILGPU's CPU accelerator runs these very methods.</summary>
public sealed class KernelMathTests
{
    private const double Unit = 1.0 / (1 << 24);

    [Fact]
    public void Exp_is_good_to_three_roundings()
    {
        for (int i = -87_000; i <= 88_000; i += 7)
        {
            float x = i / 1000f;
            double expected = Math.Exp(x);
            // The series, its last addition and the product each round once; r does by less, being below 0.35.
            Assert.InRange(KernelMath.Exp(x), expected * (1 - (3 * Unit)), expected * (1 + (3 * Unit)));
        }
    }

    [Fact]
    public void Exp_leaves_the_range_of_float32_as_it_should()
    {
        Assert.Equal(0, KernelMath.Exp(float.NegativeInfinity));
        Assert.Equal(0, KernelMath.Exp(-1e30f));
        Assert.Equal(float.PositiveInfinity, KernelMath.Exp(88.8f));
        Assert.Equal(float.PositiveInfinity, KernelMath.Exp(float.PositiveInfinity));
        Assert.Equal(float.NaN, KernelMath.Exp(float.NaN));
        Assert.Equal(1, KernelMath.Exp(0));
        // Numbers below the smallest normal one have steps of 2^-149.
        Assert.Equal(Math.Exp(-100), KernelMath.Exp(-100), Math.ScaleB(1, -149));
    }

    [Fact]
    public void Tanh_is_good_to_two_roundings_of_1()
    {
        for (int i = -2000; i <= 2000; i++)
            Assert.Equal(Math.Tanh(i / 100f), KernelMath.Tanh(i / 100f), 2 * Unit);
        Assert.Equal(-1, KernelMath.Tanh(float.NegativeInfinity));
        Assert.Equal(1, KernelMath.Tanh(1e30f));
    }

    [Fact]
    public void Cos_is_good_to_two_roundings_of_1_at_any_angle()
    {
        for (double angle = -10; angle < 200_000; angle += angle < 10 ? 0.01 : 100.01)
        {
            double turns = KernelMath.QuarterTurns(angle);
            float rest = (float)(angle - (turns * (Math.PI / 2)));
            Assert.Equal(Math.Cos(angle), KernelMath.Cos(turns, rest), 2 * Unit);
            Assert.Equal(Math.Sin(angle), KernelMath.Cos(turns - 1, rest), 2 * Unit);
        }
    }
}
