using System.Numerics.Tensors;

namespace Steer.Kernels.Host;

/// <summary>Kernels whose every number depends on its own column alone.</summary>
internal static unsafe class ElementwiseKernel
{
    public static void Add(in HostMatrix x, in HostMatrix delta, float scale)
    {
        for (int row = 0; row < x.Rows; row++)
        {
            for (int i = 0; i < x.Columns; i++)
                x.Row(row)[i] = MathF.FusedMultiplyAdd(scale, delta.Row(row)[i], x.Row(row)[i]);
        }
    }

    public static void Activate(in HostMatrix x, Activation activation, bool gated, in HostMatrix y)
    {
        for (int row = 0; row < x.Rows; row++)
        {
            float* from = x.Row(row), to = y.Row(row);
            for (int i = 0; i < y.Columns; i++)
                to[i] = Apply(activation, from[i]) * (gated ? from[y.Columns + i] : 1);
        }
    }

    public static void ScaleAndCap(in HostMatrix x, float scale, float cap)
    {
        for (int row = 0; row < x.Rows; row++)
        {
            float* to = x.Row(row);
            for (int i = 0; i < x.Columns; i++)
            {
                to[i] *= scale;
                if (cap > 0)
                    to[i] = cap * MathF.Tanh(to[i] / cap);
            }
        }
    }

    private static float Apply(Activation activation, float x) => activation switch
    {
        Activation.Silu => x / (1 + MathF.Exp(-x)),
        Activation.GeluTanh => 0.5f * x * (1 + MathF.Tanh(0.7978845608f * (x + (0.044715f * x * x * x)))),
        Activation.Relu => MathF.Max(x, 0),
        Activation.Gelu => (float)(x * 0.5 * Erfc(-x / Math.Sqrt(2))),
        _ => throw new ArgumentOutOfRangeException(nameof(activation)),
    };

    // Complementary error function by its series or its continued fraction.
    private static double Erfc(double x)
    {
        if (Math.Abs(x) < 2.5)
        {
            double term = x, sum = x;
            for (int n = 1; n < 60; n++)
            {
                term *= -x * x / n;
                sum += term / ((2 * n) + 1);
            }
            return 1 - (2 / Math.Sqrt(Math.PI) * sum);
        }
        double z = Math.Abs(x), f = 0;
        for (int n = 60; n > 0; n--)
            f = n / 2.0 / (z + f);
        double tail = Math.Exp(-z * z) / (Math.Sqrt(Math.PI) * (z + f));
        return x > 0 ? tail : 2 - tail;
    }
}
