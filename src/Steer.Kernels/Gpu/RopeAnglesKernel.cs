using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.RopeAngles"/>: one thread for each pair of cosine and sine.</summary>
internal static class RopeAnglesKernel
{
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
        device.Launch(Body, (long)angles.Rows * (angles.Columns / 2), parameters);
    }

    internal static void Body(Index1D index, Parameters p)
    {
        int half = p.Angles.Columns / 2;
        int row = index / half, pair = index % half;
        // In float64 and brought to [-pi, pi]: p f reaches 10^5 radians, where float32 knows an angle to two digits.
        double angle = p.Positions[row] * (double)p.InverseFrequencies[pair];
        float reduced = (float)(angle - (Math.Floor((angle / (2 * Math.PI)) + 0.5) * (2 * Math.PI)));
        p.Angles[row, pair] = p.Scale * MathF.Cos(reduced);
        p.Angles[row, half + pair] = p.Scale * MathF.Sin(reduced);
    }

    internal struct Parameters
    {
        public ArrayView<int> Positions;
        public ArrayView<float> InverseFrequencies;
        public float Scale;
        public TensorView Angles;
    }
}
