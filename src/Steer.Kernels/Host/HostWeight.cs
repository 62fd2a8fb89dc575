using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// A weight [n, k] in panels of <see cref="PanelWidth"/> output columns, [ceil(n / 32)][k][32]: for each k the numbers of 32 columns lie side by
/// side, so that a tile reads the weight once from front to back. Missing columns of the last panel are zero.
/// bfloat16 panels hold 16 words for each k: column j in the low half of word j and column 16 + j in the high half, so that a shift and a mask
/// widen them into two vectors in order.
/// </summary>
internal sealed unsafe class HostWeight : PackedWeight
{
    /// <summary>Output columns of a panel.</summary>
    public const int PanelWidth = 32;

    private readonly HostBuffer<byte> _data;

    public HostWeight(int n, int k, WeightFormat format)
        : base(n, k, format)
    {
        Panels = (n + PanelWidth - 1) / PanelWidth;
        PanelBytes = (long)k * PanelWidth * Type.Size();
        _data = new HostBuffer<byte>(Panels * PanelBytes);
    }

    /// <summary>Panels.</summary>
    public int Panels { get; }

    /// <summary>Bytes from one panel to the next.</summary>
    public long PanelBytes { get; }

    /// <inheritdoc/>
    public override long Bytes => _data.Length;

    /// <summary>A tile's arguments for sums over all k of panels in this layout; the caller fills in the rest.</summary>
    public TileArgs Args(float* x, byte** panels, float** y) => new()
    {
        X = x,
        Segments = panels,
        SegmentLength = K,
        K = K,
        Second = Type == DType.F32 ? PanelWidth / 2 * sizeof(float) : 0,
        Stride = PanelWidth * Type.Size(),
        Y = y,
    };

    /// <summary>First byte of a panel.</summary>
    public byte* Panel(int panel) => _data.Data + panel * PanelBytes;

    /// <summary>Writes row (output column) <paramref name="row"/> of the matrix.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void WriteRow(int row, ReadOnlySpan<float> values)
    {
        byte* panel = Panel(row / PanelWidth);
        int column = row % PanelWidth;
        if (Type == DType.F32)
        {
            float* to = (float*)panel + column;
            for (int i = 0; i < values.Length; i++)
                to[(long)i * PanelWidth] = values[i];
        }
        else
        {
            ushort* to = (ushort*)panel + Half(column);
            for (int i = 0; i < values.Length; i++)
                to[(long)i * PanelWidth] = DTypeExtensions.NarrowBF16(values[i]);
        }
    }

    /// <summary>y += scale * row (output column) <paramref name="row"/> of the matrix [k].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void AddRow(int row, float scale, float* y)
    {
        byte* panel = Panel(row / PanelWidth);
        int column = row % PanelWidth;
        if (Type == DType.F32)
        {
            float* from = (float*)panel + column;
            for (int i = 0; i < K; i++)
                y[i] += scale * from[(long)i * PanelWidth];
        }
        else
        {
            ushort* from = (ushort*)panel + Half(column);
            for (int i = 0; i < K; i++)
                y[i] += scale * DTypeExtensions.WidenBF16(from[(long)i * PanelWidth]);
        }
    }

    /// <inheritdoc/>
    public override void Dispose() => _data.Dispose();

    // Place of a bfloat16 column among the 32 halves of one k (little-endian words).
    private static int Half(int column) => column < PanelWidth / 2 ? 2 * column : (2 * column) - PanelWidth + 1;
}
