using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.Activate"/>: one thread for each number of y.</summary>
internal static class ActivateKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(Activate)];

    public static void Run(IlgpuDevice device, Tensor x, Activation activation, bool gated, Tensor y)
    {
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Y = new TensorView(y),
            Activation = activation,
            Gated = gated ? 1 : 0,
        };
        device.Launch(Activate, (long)y.Rows * y.Columns, parameters);
    }

    internal static void Activate(Index1D index, Parameters p)
    {
        int row = index / p.Y.Columns, column = index % p.Y.Columns;
        float value = Apply(p.Activation, p.X[row, column]);
        p.Y[row, column] = p.Gated != 0 ? value * p.X[row, p.Y.Columns + column] : value;
    }

    private static float Apply(Activation activation, float x)
    {
        if (activation == Activation.Silu)
            return x / (1 + KernelMath.Exp(-x));
        if (activation == Activation.Gelu)
            return x * KernelMath.NormalCdf(x);
        if (activation == Activation.GeluTanh)
        {
            const float SqrtTwoOverPi = 0.7978845608f;
            return 0.5f * x * (1 + KernelMath.Tanh(SqrtTwoOverPi * (x + (0.044715f * x * x * x))));
        }

        return MathF.Max(x, 0);
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Y;
        public Activation Activation;
        public int Gated;
    }
}
