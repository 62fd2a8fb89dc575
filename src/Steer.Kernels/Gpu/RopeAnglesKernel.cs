using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.RopeAngles"/>: one thread for each pair of cosine and sine.</summary>
internal static class RopeAnglesKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(RopeAngles)];

    public static void Run(
        IlgpuDevice device, DeviceBuffer<int> positions, DeviceBuffer<float> inverseFrequencies, float scale, Tensor angles)
    {
        var parameters = new Parameters
        {
            Positions = IlgpuDevice.View(positions),
            InverseFrequencies = IlgpuDevice.View(inverseFrequencies),
            Scale = scale,
            Angles = new TensorView(angles),
        };
        device.Launch(RopeAngles, (long)angles.Rows * (angles.Columns / 2), parameters);
    }

    internal static void RopeAngles(Index1D index, Parameters p)
    {
        int half = p.Angles.Columns / 2;
        int row = index / half, pair = index % half;
        // In float64 until it is small: p f reaches 10^5 radians, where float32 knows an angle to two digits.
        double angle = p.Positions[row] * (double)p.InverseFrequencies[pair];
        double turns = KernelMath.QuarterTurns(angle);
        float rest = (float)(angle - (turns * (Math.PI / 2)));
        p.Angles[row, pair] = p.Scale * KernelMath.Cos(turns, rest);
        p.Angles[row, half + pair] = p.Scale * KernelMath.Cos(turns - 1, rest);
    }

    internal struct Parameters
    {
        public ArrayView<int> Positions;
        public ArrayView<float> InverseFrequencies;
        public float Scale;
        public TensorView Angles;
    }
}
