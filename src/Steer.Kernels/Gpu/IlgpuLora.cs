namespace Steer.Kernels.Gpu;

/// <summary>An adapter's segments for one projection, A and B in float32.</summary>
internal sealed class IlgpuLora : LoraWeight
{
    private readonly List<Segment> _segments = [];

    private IlgpuLora(int n, int k)
        : base(n, k)
    {
    }

    public IReadOnlyList<Segment> Segments => _segments;

    public override long Bytes => _segments.Sum(s => s.Bytes);

    public static IlgpuLora Pack(IlgpuDevice device, int n, int k, IReadOnlyList<LoraSegment> segments)
    {
        var lora = new IlgpuLora(n, k);
        try
        {
            foreach (LoraSegment segment in segments)
            {
                var packed = new Segment(segment.ColumnStart, segment.Columns);
                lora._segments.Add(packed);
                packed.Upload(device, segment);
            }
        }
        catch
        {
            lora.Dispose();
            throw;
        }

        return lora;
    }

    public override void Dispose() => _segments.ForEach(s => s.Dispose());

    /// <summary>A segment on the device; the parts that it does not have are null.</summary>
    public sealed class Segment(int columnStart, int columns) : IDisposable
    {
        public int ColumnStart { get; } = columnStart;

        public int Columns { get; } = columns;

        public IlgpuWeight? A { get; private set; }

        public IlgpuWeight? B { get; private set; }

        public IlgpuBuffer<float>? Scale { get; private set; }

        public IlgpuBuffer<float>? Bias { get; private set; }

        public long Bytes => (A?.Bytes ?? 0) + (B?.Bytes ?? 0) + (Scale?.Bytes ?? 0) + (Bias?.Bytes ?? 0);

        public void Upload(IlgpuDevice device, LoraSegment segment)
        {
            A = segment.A is null ? null : IlgpuWeight.Pack(device, [segment.A], DType.F32);
            B = segment.B is null ? null : IlgpuWeight.Pack(device, [segment.B], DType.F32);
            Scale = Vector(device, segment.ColumnScale);
            Bias = Vector(device, segment.ColumnBias);
        }

        public void Dispose()
        {
            A?.Dispose();
            B?.Dispose();
            Scale?.Dispose();
            Bias?.Dispose();
        }

        private static IlgpuBuffer<float>? Vector(IlgpuDevice device, float[]? numbers)
        {
            if (numbers is null)
                return null;
            IlgpuBuffer<float> buffer = device.AllocateBuffer<float>(numbers.Length);
            buffer.Upload(numbers);
            return buffer;
        }
    }
}
