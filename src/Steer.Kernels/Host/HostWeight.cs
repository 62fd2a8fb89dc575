using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Steer.Kernels.Host;

/// <summary>
/// A weight [n, k] in panels of <see cref="PanelWidth"/> output columns, so that a tile reads it once from front to back. A panel is a row of steps
/// of <see cref="Depth"/> k each; missing columns of the last panel and missing k of the last step are zero. A step holds
/// <list type="bullet">
/// <item>float32: one k [32].</item>
/// <item>bfloat16, float16: two k as 32 words, one for each column, with the first k in the lower half: what vdpbf16ps takes.</item>
/// <item>int8, int4: 32 k, see <see cref="BlockLayout"/>.</item>
/// </list>
/// </summary>
internal sealed unsafe class HostWeight : PackedWeight
{
    /// <summary>Output columns of a panel.</summary>
    public const int PanelWidth = 32;

    /// <summary>Bytes of a step of float32, bfloat16 and float16: a word for each column.</summary>
    public const int WordStepBytes = PanelWidth * sizeof(uint);

    private readonly HostBuffer<byte> _data;

    public HostWeight(int n, int k, WeightFormat format)
        : base(n, k, format)
    {
        (Depth, StepBytes) = Type switch
        {
            DType.F32 => (1, WordStepBytes),
            DType.BF16 or DType.F16 => (2, WordStepBytes),
            DType.Int8 => (BlockQuantizer.BlockSize, BlockLayout.Int8Bytes),
            DType.Int4 => (BlockQuantizer.BlockSize, BlockLayout.Int4Bytes),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown storage type."),
        };
        Panels = (int)((n + PanelWidth - 1L) / PanelWidth);
        PanelBytes = (k + Depth - 1L) / Depth * StepBytes;
        _data = new HostBuffer<byte>((long)Int128.Min((Int128)Panels * PanelBytes, long.MaxValue));
    }

    /// <summary>k in a step.</summary>
    public int Depth { get; }

    /// <summary>Bytes of a step.</summary>
    public int StepBytes { get; }

    /// <summary>Panels.</summary>
    public int Panels { get; }

    /// <summary>Bytes from one panel to the next.</summary>
    public long PanelBytes { get; }

    /// <inheritdoc/>
    public override long Bytes => _data.Length;

    /// <summary>First byte of a panel.</summary>
    public byte* Panel(int panel) => _data.Data + (panel * PanelBytes);

    /// <summary>Byte of a panel at which a step begins.</summary>
    public byte* Panel(int panel, int k) => Panel(panel) + ((long)k / Depth * StepBytes);

    /// <summary>Writes row (output column) <paramref name="row"/> of the matrix.</summary>
    /// <exception cref="InvalidDataException">The type cannot hold a number.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void WriteRow(int row, ReadOnlySpan<float> values)
    {
        byte* panel = Panel(row / PanelWidth);
        int column = row % PanelWidth;
        switch (Type)
        {
            case DType.F32:
                for (int k = 0; k < values.Length; k++)
                    F32(panel, column, k) = values[k];
                break;
            case DType.BF16 or DType.F16:
                WritePairs(panel, column, values);
                break;
            case DType.Int8:
                for (int k = 0; k < values.Length; k += BlockQuantizer.BlockSize, panel += StepBytes)
                    BlockLayout.WriteInt8(panel, column, Block(values, k));
                break;
            default:
                for (int k = 0; k < values.Length; k += BlockQuantizer.BlockSize, panel += StepBytes)
                    BlockLayout.WriteInt4(panel, column, Block(values, k));
                break;
        }
    }

    /// <summary>y += scale * row (output column) <paramref name="row"/> of the matrix [k].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void AddRow(int row, float scale, float* y)
    {
        byte* panel = Panel(row / PanelWidth);
        int column = row % PanelWidth;
        switch (Type)
        {
            case DType.F32:
                for (int k = 0; k < K; k++)
                    y[k] += scale * F32(panel, column, k);
                break;
            case DType.BF16:
                for (int k = 0; k < K; k++)
                    y[k] += scale * DTypeExtensions.WidenBF16(Half(panel, column, k));
                break;
            case DType.F16:
                for (int k = 0; k < K; k++)
                    y[k] += scale * (float)BitConverter.UInt16BitsToHalf(Half(panel, column, k));
                break;
            case DType.Int8:
                for (int k = 0; k < K; k++)
                    y[k] += scale * BlockLayout.ReadInt8(Panel(row / PanelWidth, k), column, k % BlockQuantizer.BlockSize);
                break;
            default:
                for (int k = 0; k < K; k++)
                    y[k] += scale * BlockLayout.ReadInt4(Panel(row / PanelWidth, k), column, k % BlockQuantizer.BlockSize);
                break;
        }
    }

    /// <inheritdoc/>
    public override void Dispose() => _data.Dispose();

    private static ReadOnlySpan<float> Block(ReadOnlySpan<float> values, int k) =>
        values.Slice(k, Math.Min(BlockQuantizer.BlockSize, values.Length - k));

    private static ref float F32(byte* panel, int column, int k) => ref ((float*)panel)[((long)k * PanelWidth) + column];

    private static ref ushort Half(byte* panel, int column, int k) => ref ((ushort*)panel)[((long)(k / 2) * 2 * PanelWidth) + (2 * column) + (k % 2)];

    // Two k are a word; the one that is missing behind an odd number of them is zero.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WritePairs(byte* panel, int column, ReadOnlySpan<float> values)
    {
        Span<ushort> halves = stackalloc ushort[256];
        uint* to = (uint*)panel + column;
        while (!values.IsEmpty)
        {
            int count = Math.Min(values.Length, halves.Length);
            if (Type == DType.BF16)
                DTypeExtensions.NarrowBF16(values[..count], halves);
            else
                DTypeExtensions.NarrowF16(values[..count], halves);
            if (count % 2 > 0)
                halves[count] = 0;
            ReadOnlySpan<uint> pairs = MemoryMarshal.Cast<ushort, uint>(halves[..(count + (count % 2))]);
            for (int i = 0; i < pairs.Length; i++, to += PanelWidth)
                *to = pairs[i];
            values = values[count..];
        }
    }
}
