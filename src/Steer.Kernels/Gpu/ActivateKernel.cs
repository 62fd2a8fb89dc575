using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.Activate"/>: a group of threads for each run of columns of a row.</summary>
internal static class ActivateKernel
{
    /// <summary>Columns of a group: whole blocks of packed rows.</summary>
    private const int GroupColumns = 256;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<Parameters>(Activate)];

    public static void Run(IlgpuDevice device, Tensor x, Activation activation, bool gated, Tensor y)
    {
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Y = new TensorView(y),
            Activation = activation,
            Gated = gated ? 1 : 0,
        };
        device.Defer(y, packed =>
        {
            int columns = Math.Max(y.Columns, packed.Columns);
            device.LaunchGroups(
                Activate, new Index3D(Math.Max(y.Rows, packed.Rows), (columns + GroupColumns - 1) / GroupColumns, 1), device.GroupSize(GroupColumns),
                parameters with { Packed = packed });
        });
    }

    internal static void Activate(Parameters p)
    {
        LaunchOrder.LetNextBegin(p.Y.Rows);
        LaunchOrder.WaitForPrevious();
        int row = Grid.IdxX, start = Grid.IdxY * GroupColumns, end = Math.Min(start + GroupColumns, p.Y.Columns);
        if (row < p.Y.Rows)
        {
            for (int column = start + Group.IdxX; column < end; column += Group.DimX)
            {
                float value = Apply(p.Activation, p.X[row, column]);
                p.Y[row, column] = p.Gated != 0 ? value * p.X[row, p.Y.Columns + column] : value;
            }
        }

        p.Packed.PackOwn(p.Y, row, start, GroupColumns);
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
        public PackedRows Packed;
    }
}
