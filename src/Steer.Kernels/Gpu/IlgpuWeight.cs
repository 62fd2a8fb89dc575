using System.Numerics.Tensors;

namespace Steer.Kernels.Gpu;

/// <summary>A weight [n, k] in the layout that its products read, see <see cref="WeightLayout"/>.</summary>
internal sealed class IlgpuWeight : PackedWeight
{
    /// <summary>Words that are packed before they go to the device.</summary>
    private const int ChunkWords = 1 << 20;

    private readonly IlgpuBuffer<uint> _words;
    private readonly IlgpuBuffer<uint> _scales;
    private readonly WeightLayout _layout;

    private IlgpuWeight(int n, int k, WeightFormat format, WeightLayout layout, IlgpuBuffer<uint> words, IlgpuBuffer<uint> scales)
        : base(n, k, format)
    {
        _layout = layout;
        _words = words;
        _scales = scales;
    }

    public override long Bytes => _words.Bytes + (_layout.Blocks > 0 ? _scales.Bytes : 0);

    /// <summary>In tiles for tensor cores.</summary>
    public bool Tiled => _layout.PanelRows == WeightLayout.TileRows;

    /// <summary>Its products take rounded activations.</summary>
    public bool RoundsActivations => Format.Rounds;

    public WeightView View => new() { Words = _words.View, Scales = _scales.View, Layout = _layout };

    public static IlgpuWeight Pack(IlgpuDevice device, IReadOnlyList<WeightMatrix> parts, WeightFormat format)
    {
        int n = checked(parts.Sum(p => p.Rows)), k = parts[0].Columns;
        // Weights of 8 and 4 bits with exact activations, which nobody asks for but to compare, are left to other kernels.
        bool tiled = device.HasTensorCores && (format.Rounds || format.Type is DType.F32 or DType.F16 or DType.BF16);
        var layout = new WeightLayout(format.Type, tiled, k);
        long panels = layout.Panels(n);
        IlgpuBuffer<uint>? words = null, scales = null;
        try
        {
            words = device.AllocateBuffer<uint>(panels * layout.PanelWords);
            scales = device.AllocateBuffer<uint>(panels * layout.PanelScales);
            Fill(new RowList(parts, n), k, layout, words, scales);
            return new IlgpuWeight(n, k, format, layout, words, scales);
        }
        catch
        {
            words?.Dispose();
            scales?.Dispose();
            throw;
        }
    }

    public override void Dispose()
    {
        _words.Dispose();
        _scales.Dispose();
    }

    private static void Fill(RowList rows, int k, WeightLayout layout, IlgpuBuffer<uint> words, IlgpuBuffer<uint> scales)
    {
        int panels = (rows.Count + layout.PanelRows - 1) / layout.PanelRows;
        int chunk = (int)Math.Clamp(ChunkWords / Math.Max(1, layout.PanelWords), 1, Math.Max(1, panels));
        var chunkWords = new uint[checked(chunk * layout.PanelWords)];
        var chunkScales = new uint[chunk * layout.PanelScales];
        for (int first = 0; first < panels; first += chunk)
        {
            int count = Math.Min(chunk, panels - first);
            Array.Clear(chunkWords);
            Array.Clear(chunkScales);
            try
            {
                Parallel.For(0, count, panel => new PanelPacker(rows, k, layout).Pack(first + panel, panel, chunkWords, chunkScales));
            }
            catch (AggregateException e) when (e.InnerException is InvalidDataException invalid)
            {
                throw new InvalidDataException(invalid.Message, invalid);
            }

            words.Upload(chunkWords.AsSpan(0, (int)(count * layout.PanelWords)), first * layout.PanelWords);
            scales.Upload(chunkScales.AsSpan(0, (int)(count * layout.PanelScales)), first * layout.PanelScales);
        }
    }

    /// <summary>The rows of several matrices, one below the other.</summary>
    private sealed class RowList(IReadOnlyList<WeightMatrix> parts, int count)
    {
        public int Count { get; } = count;

        public void Read(int row, Span<float> destination)
        {
            int part = 0, local = row;
            while (local >= parts[part].Rows)
                local -= parts[part++].Rows;
            parts[part].ReadRow(local, destination);
            if (TensorPrimitives.IsNaNAny(destination))
                throw new InvalidDataException($"Row {local} of a weight [{parts[part].Rows}, {parts[part].Columns}] holds NaN.");
        }
    }

    /// <summary>Packs a panel's rows into words that were zero.</summary>
    private readonly struct PanelPacker(RowList rows, int k, WeightLayout layout)
    {
        private readonly float[] _row = new float[k];

        /// <param name="panel">Which rows.</param>
        /// <param name="target">Which panel of the words.</param>
        /// <param name="words">[panels, PanelWords].</param>
        /// <param name="scales">[panels, PanelScales].</param>
        public void Pack(int panel, int target, uint[] words, uint[] scales)
        {
            int end = Math.Min(layout.PanelRows, rows.Count - (panel * layout.PanelRows));
            for (int r = 0; r < end; r++)
            {
                rows.Read((panel * layout.PanelRows) + r, _row);
                PackRow((target * layout.PanelRows) + r, words, scales);
            }
        }

        private void PackRow(int row, uint[] words, uint[] scales)
        {
            switch (layout.Type)
            {
                case DType.F32:
                    for (int i = 0; i < k; i++)
                        Put(words, row, i, BitConverter.SingleToUInt32Bits(_row[i]));
                    break;
                case DType.BF16:
                    for (int i = 0; i < k; i++)
                        Put(words, row, i, DTypeExtensions.NarrowBF16(_row[i]));
                    break;
                case DType.F16:
                    for (int i = 0; i < k; i++)
                        Put(words, row, i, BitConverter.HalfToUInt16Bits((Half)_row[i]));
                    break;
                default:
                    for (int start = 0; start < k; start += BlockQuantizer.BlockSize)
                        PackBlock(row, start, words, scales);
                    break;
            }
        }

        private void PackBlock(int row, int start, uint[] words, uint[] scales)
        {
            ReadOnlySpan<float> block = _row.AsSpan(start, Math.Min(BlockQuantizer.BlockSize, k - start));
            if (layout.Type == DType.Int8)
            {
                Span<sbyte> q = stackalloc sbyte[BlockQuantizer.BlockSize];
                scales[layout.Scale(row, start)] = BlockQuantizer.Int8(block, q);
                for (int i = 0; i < block.Length; i++)
                    Put(words, row, start + i, (byte)q[i]);
            }
            else
            {
                Span<byte> q = stackalloc byte[BlockQuantizer.BlockSize];
                (ushort scale, ushort minimum) = BlockQuantizer.Int4(block, q);
                scales[layout.Scale(row, start)] = scale | ((uint)minimum << 16);
                for (int i = 0; i < block.Length; i++)
                    Put(words, row, start + i, q[i]);
            }
        }

        private void Put(uint[] words, int row, int i, uint bits) => words[layout.Word(row, i)] |= bits << layout.Shift(row, i);
    }
}
