using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.Embed"/>: one thread for each number of y.</summary>
internal static class EmbedKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(Embed)];

    public static void Run(
        IlgpuDevice device, DeviceBuffer<int> ids, int idStart, PackedWeight table, float scale, bool accumulate, Tensor y)
    {
        var parameters = new Parameters
        {
            Ids = IlgpuDevice.View(ids).SubView(idStart, y.Rows),
            Table = ((IlgpuWeight)table).View,
            Scale = scale,
            Accumulate = accumulate ? 1 : 0,
            Y = new TensorView(y),
        };
        device.Launch(Embed, (long)y.Rows * y.Columns, parameters);
    }

    internal static void Embed(Index1D index, Parameters p)
    {
        int row = index / p.Y.Columns, column = index % p.Y.Columns;
        float value = p.Scale * p.Table[p.Ids[row], column];
        p.Y[row, column] = p.Accumulate != 0 ? p.Y[row, column] + value : value;
    }

    internal struct Parameters
    {
        public ArrayView<int> Ids;
        public WeightView Table;
        public float Scale;
        public int Accumulate;
        public TensorView Y;
    }
}
