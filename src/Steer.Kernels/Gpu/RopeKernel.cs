using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>The rotation of <see cref="Device.RopeAndCache"/>: one thread for each pair of columns that rotate together.</summary>
internal static class RopeKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(Rope)];

    public static void Run(IlgpuDevice device, Tensor x, Tensor angles, RopeLayout layout, int headDim)
    {
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Angles = new TensorView(angles),
            HeadDim = headDim,
            Interleaved = layout == RopeLayout.Interleaved ? 1 : 0,
        };
        device.Launch(Rope, (long)x.Rows * (x.Columns / headDim) * (angles.Columns / 2), parameters);
    }

    internal static void Rope(Index1D index, Parameters p)
    {
        int half = p.Angles.Columns / 2, heads = p.X.Columns / p.HeadDim;
        int pair = index % half, head = index / half % heads, row = index / half / heads;
        int start = head * p.HeadDim;
        int first = start + (p.Interleaved != 0 ? 2 * pair : pair);
        int second = p.Interleaved != 0 ? first + 1 : first + half;
        float cos = p.Angles[row, pair], sin = p.Angles[row, half + pair];
        float a = p.X[row, first], b = p.X[row, second];
        p.X[row, first] = KernelMath.FusedMultiplyAdd(a, cos, -b * sin);
        p.X[row, second] = KernelMath.FusedMultiplyAdd(b, cos, a * sin);
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Angles;
        public int HeadDim;
        public int Interleaved;
    }
}
