using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

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
        var places = new StepPlaces(layout);
        var chunkWords = new uint[checked(chunk * layout.PanelWords)];
        var chunkScales = new uint[chunk * layout.PanelScales];
        for (int first = 0; first < panels; first += chunk)
        {
            int count = Math.Min(chunk, panels - first);
            Array.Clear(chunkWords);
            Array.Clear(chunkScales);
            try
            {
                Parallel.For(
                    0,
                    count,
                    () => new PanelPacker(rows, k, layout, places),
                    (panel, _, packer) => packer.Pack(first + panel, panel, chunkWords, chunkScales),
                    _ => { });
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
    private sealed class PanelPacker(RowList rows, int k, WeightLayout layout, StepPlaces places)
    {
        private readonly float[] _row = new float[k];
        private readonly ushort[] _halves = new ushort[k];
        private readonly byte[] _q = new byte[k];

        /// <summary>Packs one and gives itself, for the next.</summary>
        /// <param name="panel">Which rows.</param>
        /// <param name="target">Which panel of the words.</param>
        /// <param name="words">[panels, PanelWords].</param>
        /// <param name="scales">[panels, PanelScales].</param>
        public PanelPacker Pack(int panel, int target, uint[] words, uint[] scales)
        {
            Span<uint> panelWords = words.AsSpan((int)(target * layout.PanelWords), (int)layout.PanelWords);
            Span<uint> panelScales = scales.AsSpan((int)(target * layout.PanelScales), (int)layout.PanelScales);
            int end = Math.Min(layout.PanelRows, rows.Count - (panel * layout.PanelRows));
            for (int row = 0; row < end; row++)
            {
                rows.Read((panel * layout.PanelRows) + row, _row);
                PackRow(row, panelWords, panelScales);
            }

            return this;
        }

        private void PackRow(int row, Span<uint> words, Span<uint> scales)
        {
            switch (layout.Type)
            {
                case DType.F32:
                    places.Put<uint>(MemoryMarshal.Cast<float, uint>(_row), row, words);
                    break;
                case DType.BF16:
                    DTypeExtensions.NarrowBF16(_row, _halves);
                    places.Put<ushort>(_halves, row, words);
                    break;
                case DType.F16:
                    DTypeExtensions.NarrowF16(_row, _halves);
                    places.Put<ushort>(_halves, row, words);
                    break;
                default:
                    for (int start = 0; start < k; start += BlockQuantizer.BlockSize)
                        scales[(int)layout.Scale(row, start)] = Quantise(start, Math.Min(BlockQuantizer.BlockSize, k - start));
                    places.Put<byte>(_q, row, words);
                    break;
            }
        }

        // Gives the word of scale and minimum.
        private uint Quantise(int start, int length)
        {
            ReadOnlySpan<float> block = _row.AsSpan(start, length);
            Span<byte> q = _q.AsSpan(start, length);
            if (layout.Type == DType.Int8)
                return BlockQuantizer.Int8(block, MemoryMarshal.Cast<byte, sbyte>(q));
            (ushort scale, ushort minimum) = BlockQuantizer.Int4(block, q);
            return scale | ((uint)minimum << 16);
        }
    }

    /// <summary>Where the numbers of a step lie, which is the same in all steps and panels: [PanelRows][NumbersPerStep], found once.</summary>
    private sealed class StepPlaces
    {
        private readonly int _numbers;
        private readonly int _stepWords;
        private readonly int[] _words;
        private readonly int[] _shifts;

        public StepPlaces(WeightLayout layout)
        {
            _numbers = layout.NumbersPerStep;
            _stepWords = layout.StepWords;
            var places = Enumerable.Range(0, layout.PanelRows * _numbers).Select(i => (Row: i / _numbers, K: i % _numbers)).ToList();
            _words = [.. places.Select(p => (int)layout.Word(p.Row, p.K))];
            _shifts = [.. places.Select(p => layout.Shift(p.Row, p.K))];
        }

        /// <summary>Puts a row's numbers into the words of its panel.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Put<T>(ReadOnlySpan<T> numbers, int row, Span<uint> panel)
            where T : struct, IBinaryInteger<T>
        {
            ReadOnlySpan<int> words = _words.AsSpan(row * _numbers, _numbers), shifts = _shifts.AsSpan(row * _numbers, _numbers);
            for (; !numbers.IsEmpty; panel = panel[_stepWords..])
            {
                ReadOnlySpan<T> step = numbers[..Math.Min(_numbers, numbers.Length)];
                for (int i = 0; i < step.Length; i++)
                    panel[words[i]] |= uint.CreateTruncating(step[i]) << shifts[i];
                numbers = numbers[step.Length..];
            }
        }
    }
}
