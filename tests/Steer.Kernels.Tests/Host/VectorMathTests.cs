using System.Runtime.Intrinsics;
using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Host;

/// <summary>Functions of vectors against float64.</summary>
public sealed class VectorMathTests
{
    [Fact]
    public void Exp_to_bfloat16_is_off_by_at_most_053_units_of_its_last_place()
    {
        for (float x = 0; x > -87; x -= 0.00071f)
        {
            float y = VectorMath.ExpToBF16(Vector256.Create(x)).ToScalar();
            Assert.Equal(0, BitConverter.SingleToInt32Bits(y) & 0xFFFF);
            double exact = Math.Exp(x), unit = Math.Pow(2, Math.Floor(Math.Log2(exact)) - 7);
            // Half a unit, and 1.0e-4 of up to 2^8 units.
            Assert.InRange(Math.Abs(y - exact) / unit, 0, 0.53);
        }
    }

    [Fact]
    public void Exp_to_bfloat16_of_what_is_no_number()
    {
        var y = VectorMath.ExpToBF16(Vector256.Create(0f, -0f, -88f, -1e30f, float.MinValue, float.NegativeInfinity, float.NaN, BitConverter.Int32BitsToSingle(-1)));
        float[] values = [.. Enumerable.Range(0, 8).Select(i => y[i])];
        Assert.Equal([1f, 1f, 0f, 0f, 0f, 0f, float.NaN, float.NaN], values);
    }
}
