using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.LoraDelta"/>: x A^T goes to scratch memory [rows, rank] as a MatMul, then one thread for each number of y that the
/// segment changes.
/// </summary>
internal static class LoraDeltaKernel
{
    public static void Run(IlgpuDevice device, Tensor x, LoraWeight weight, Tensor y)
    {
        foreach (IlgpuLora.Segment segment in ((IlgpuLora)weight).Segments)
        {
            Tensor part = y.ColumnSlice(segment.ColumnStart, segment.Columns);
            int rank = segment.A?.N ?? 0;
            var low = new Tensor(device.Scratch((long)x.Rows * rank), x.Rows, rank);
            if (segment.A is not null)
                MatMulKernel.Run(device, x, segment.A, null, low);
            var parameters = new Parameters
            {
                Low = new TensorView(low),
                Y = new TensorView(part),
                B = segment.B?.View ?? default,
                Scale = IlgpuDevice.ViewOrEmpty(segment.Scale),
                Bias = IlgpuDevice.ViewOrEmpty(segment.Bias),
                HasScale = segment.Scale is null ? 0 : 1,
                HasBias = segment.Bias is null ? 0 : 1,
            };
            device.Launch(Body, (long)part.Rows * part.Columns, parameters);
        }
    }

    internal static void Body(Index1D index, Parameters p)
    {
        int row = index / p.Y.Columns, column = index % p.Y.Columns;
        float value = p.Y[row, column];
        if (p.HasScale != 0)
            value *= p.Scale[column];
        value += MatMulKernel.Dot(p.Low, row, p.B, column);
        if (p.HasBias != 0)
            value += p.Bias[column];
        p.Y[row, column] = value;
    }

    internal struct Parameters
    {
        public TensorView Low;
        public TensorView Y;
        public WeightView B;
        public ArrayView<float> Scale;
        public ArrayView<float> Bias;
        public int HasScale;
        public int HasBias;
    }
}
