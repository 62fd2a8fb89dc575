using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Steer.Kernels.Gpu;

/// <summary>A weight [n, k] row by row, see <see cref="WeightView"/>.</summary>
internal sealed class IlgpuWeight : PackedWeight
{
    /// <summary>Numbers converted at a time on their way to the device.</summary>
    private const int ChunkLength = 1 << 20;

    private readonly IlgpuBuffer<uint> _words;

    private IlgpuWeight(int n, int k, WeightFormat format, IlgpuBuffer<uint> words)
        : base(n, k, format) => _words = words;

    public override long Bytes => _words.Bytes;

    public WeightView View => new(_words.View, Type);

    public static IlgpuWeight Pack(IlgpuDevice device, IReadOnlyList<WeightMatrix> parts, WeightFormat format)
    {
        DType type = format.Type;
        int n = checked(parts.Sum(p => p.Rows)), k = parts[0].Columns;
        long bytes = (long)n * k * type.Size();
        IlgpuBuffer<uint> words = device.AllocateBuffer<uint>((bytes + sizeof(uint) - 1) / sizeof(uint));
        try
        {
            Fill(parts, k, type, words);
        }
        catch
        {
            words.Dispose();
            throw;
        }

        return new IlgpuWeight(n, k, format, words);
    }

    public override void Dispose() => _words.Dispose();

    private static void Fill(IReadOnlyList<WeightMatrix> parts, int k, DType type, IlgpuBuffer<uint> words)
    {
        // A chunk has an even number of rows: the next one then begins at a word, also where k is odd and a number takes half of one.
        int chunkLength = checked(2 * Math.Max(1, ChunkLength / (2 * Math.Max(1, k))) * k);
        var row = new float[k];
        var chunk = new uint[(((long)chunkLength * type.Size()) + sizeof(uint) - 1) / sizeof(uint)];
        Span<float> floats = MemoryMarshal.Cast<uint, float>(chunk.AsSpan());
        Span<ushort> halves = MemoryMarshal.Cast<uint, ushort>(chunk.AsSpan());
        long uploaded = 0;
        int filled = 0;
        foreach (WeightMatrix part in parts)
        {
            for (int r = 0; r < part.Rows; r++)
            {
                part.ReadRow(r, row);
                if (TensorPrimitives.IsNaNAny(row))
                    throw new InvalidDataException($"Row {r} of a weight [{part.Rows}, {part.Columns}] holds NaN.");
                if (type == DType.F32)
                    row.CopyTo(floats[filled..]);
                else
                    Narrow(row, halves[filled..]);
                filled += k;
                if (filled == chunkLength)
                    Flush();
            }
        }

        Flush();

        void Flush()
        {
            int count = (int)((((long)filled * type.Size()) + sizeof(uint) - 1) / sizeof(uint));
            words.Upload(chunk.AsSpan(0, count), uploaded);
            uploaded += count;
            filled = 0;
        }
    }

    private static void Narrow(ReadOnlySpan<float> row, Span<ushort> destination)
    {
        for (int i = 0; i < row.Length; i++)
            destination[i] = DTypeExtensions.NarrowBF16(row[i]);
    }
}
