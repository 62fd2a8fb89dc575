using System.Numerics.Tensors;

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
                var packed = new Segment(segment.ColumnStart, segment.Columns, segment.A?.Rows ?? 0);
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
    public sealed class Segment(int columnStart, int columns, int rank) : IDisposable
    {
        private IlgpuBuffer<float>? _a;
        private IlgpuBuffer<float>? _b;
        private IlgpuBuffer<float>? _scale;
        private IlgpuBuffer<float>? _bias;

        public long Bytes => (_a?.Bytes ?? 0) + (_b?.Bytes ?? 0) + (_scale?.Bytes ?? 0) + (_bias?.Bytes ?? 0);

        /// <summary>Columns of the projection that it changes.</summary>
        public int Columns => columns;

        /// <summary>The segment for some rows of a batch.</summary>
        public LoraBatch.Segment View(int rowStart, int rowCount) => new()
        {
            RowStart = rowStart,
            RowCount = rowCount,
            ColumnStart = columnStart,
            Columns = columns,
            Rank = rank,
            A = IlgpuDevice.ViewOrEmpty(_a),
            B = IlgpuDevice.ViewOrEmpty(_b),
            Scale = IlgpuDevice.ViewOrEmpty(_scale),
            Bias = IlgpuDevice.ViewOrEmpty(_bias),
            HasScale = _scale is null ? 0 : 1,
            HasBias = _bias is null ? 0 : 1,
        };

        public void Upload(IlgpuDevice device, LoraSegment segment)
        {
            if (segment is { A: { } a, B: { } b })
            {
                _a = Vector(device, Rows(a));
                _b = Vector(device, RankBlocks(b));
            }

            _scale = Vector(device, segment.ColumnScale);
            _bias = Vector(device, segment.ColumnBias);
        }

        public void Dispose()
        {
            _a?.Dispose();
            _b?.Dispose();
            _scale?.Dispose();
            _bias?.Dispose();
        }

        // Each filled up with zeros to a multiple of 16 bytes.
        private static float[] Rows(WeightMatrix matrix)
        {
            int stride = Floats4.RoundUp(matrix.Columns);
            var rows = new float[checked(matrix.Rows * stride)];
            for (int r = 0; r < matrix.Rows; r++)
                Read(matrix, r, rows.AsSpan(r * stride, matrix.Columns));
            return rows;
        }

        // [blocks of ranks][columns][ranks of a block], filled up with zeros.
        private static float[] RankBlocks(WeightMatrix matrix)
        {
            const int Block = LoraBatch.RankBlock;
            var blocks = new float[checked((matrix.Columns + Block - 1) / Block * Block * matrix.Rows)];
            var row = new float[matrix.Columns];
            for (int r = 0; r < matrix.Rows; r++)
            {
                Read(matrix, r, row);
                for (int c = 0; c < row.Length; c++)
                    blocks[(((c / Block * matrix.Rows) + r) * Block) + (c % Block)] = row[c];
            }

            return blocks;
        }

        private static void Read(WeightMatrix matrix, int row, Span<float> destination)
        {
            matrix.ReadRow(row, destination);
            if (TensorPrimitives.IsNaNAny(destination))
                throw new InvalidDataException($"Row {row} of an adapter's matrix [{matrix.Rows}, {matrix.Columns}] holds NaN.");
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
