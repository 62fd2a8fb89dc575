using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// Records [block][layer][kv head], each with a head's keys [head dim][16], its values [planes of 32 columns][16][32] and, of 8-bit numbers, the
/// float32 scales of its keys [16] and of its values [16]: the scores of a block's 16 positions are one vector, and values lie in the panels of a
/// tile. bfloat16 lies in pairs, of neighbouring columns of a key [head dim / 2][16][2] and of neighbouring positions of values [planes][8][32][2]. A
/// block has all layers side by side, so that a short text touches little of a large cache. What is too much of the last plane or pair stays zero.
/// </summary>
internal sealed unsafe class HostKvCache : KvCache
{
    /// <summary>Columns of a plane of values.</summary>
    public const int PlaneWidth = 32;

    private const int BlockSize = KvCacheShape.BlockSize;
    private const int CacheLine = 64;

    private readonly HostBuffer<byte> _records;

    /// <exception cref="ArgumentException">The type is none of F32, BF16 and Int8.</exception>
    /// <exception cref="OutOfMemoryException">The process may not have that much.</exception>
    public HostKvCache(KvCacheShape shape)
        : base(shape)
    {
        NumberSize = shape.Type switch
        {
            DType.F32 => sizeof(float),
            DType.BF16 => sizeof(ushort),
            DType.Int8 => sizeof(sbyte),
            _ => throw new ArgumentException($"Keys and values cannot be held as {shape.Type}: F32, BF16 and Int8 are possible.", nameof(shape)),
        };
        Depth = shape.Type == DType.BF16 ? 2 : 1;
        int planes = (shape.HeadDim + PlaneWidth - 1) / PlaneWidth;
        PlaneBytes = BlockSize * PlaneWidth * NumberSize;
        KeyBytes = (shape.HeadDim + Depth - 1) / Depth * Depth * BlockSize * NumberSize;
        ValuesOffset = RoundUp(KeyBytes);
        ScalesOffset = ValuesOffset + (planes * PlaneBytes);
        RecordBytes = ScalesOffset + (shape.Type == DType.Int8 ? 2 * BlockSize * sizeof(float) : 0);
        _records = new HostBuffer<byte>(checked((long)shape.NumLayers * shape.NumKvHeads * shape.NumBlocks * RecordBytes));
    }

    /// <summary>Bytes of a number.</summary>
    public int NumberSize { get; }

    /// <summary>Numbers side by side: 2 of bfloat16.</summary>
    public int Depth { get; }

    /// <summary>Bytes of a record's keys.</summary>
    public int KeyBytes { get; }

    /// <summary>Bytes from a record to the next.</summary>
    public int RecordBytes { get; }

    /// <summary>Bytes from a block's records to those of the next.</summary>
    public long BlockBytes => (long)Shape.NumLayers * Shape.NumKvHeads * RecordBytes;

    /// <summary>Bytes from a record's start, where the keys are, to its values.</summary>
    public int ValuesOffset { get; }

    /// <summary>Bytes from one plane of values to the next.</summary>
    public int PlaneBytes { get; }

    /// <summary>Bytes from a record's start to the scales of its keys; those of its values follow.</summary>
    public int ScalesOffset { get; }

    /// <summary>The record of a head's block.</summary>
    public byte* Record(int layer, int head, int block) =>
        _records.Data + (block * BlockBytes) + (((long)layer * Shape.NumKvHeads) + head) * RecordBytes;

    /// <summary>
    /// Has the lines fetched that <see cref="Write(int, int, int, float*, float*)"/> will touch: a key lies across many, which would else be waited
    /// for one after the other.
    /// </summary>
    public void Prefetch(int layer, int head, int slot)
    {
        byte* record = Record(layer, head, slot / BlockSize);
        int position = slot % BlockSize;
        int keyStride = Math.Max(CacheLine, BlockSize * NumberSize * Depth), valueBytes = PlaneWidth * NumberSize * Depth;
        for (int offset = position * NumberSize * Depth; offset < KeyBytes; offset += keyStride)
            Host.Prefetch.Read(record + offset);
        for (int offset = ValuesOffset + (position / Depth * valueBytes); offset < ScalesOffset; offset += PlaneBytes)
        {
            Host.Prefetch.Read(record + offset);
            Host.Prefetch.Read(record + offset + valueBytes - 1);
        }
    }

    /// <summary>Writes a head's key and value [head dim] at slot block * 16 + position.</summary>
    public void Write(int layer, int head, int slot, float* key, float* value)
    {
        byte* record = Record(layer, head, slot / BlockSize);
        int position = slot % BlockSize;
        byte* keys = record + (position * NumberSize), values = record + ValuesOffset + (position * PlaneWidth * NumberSize);
        switch (Shape.Type)
        {
            case DType.F32:
                Write((float*)keys, (float*)values, key, value);
                break;
            case DType.BF16:
                WritePairs(record, position, key, value);
                break;
            default:
                float* scales = (float*)(record + ScalesOffset) + position;
                Quantise((sbyte*)keys, (sbyte*)values, key, value, scales);
                break;
        }
    }

    /// <inheritdoc/>
    public override void Dispose() => _records.Dispose();

    private static int RoundUp(int bytes) => (bytes + CacheLine - 1) / CacheLine * CacheLine;

    // A value's halves of words are its own: the other halves may be written by another thread meanwhile.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WritePairs(byte* record, int position, float* key, float* value)
    {
        int count = Shape.HeadDim, words = RowCodes.Words(RowCode.Pairs, count, 1);
        uint* narrow = stackalloc uint[2 * words];
        RowCodes.Encode(RowCode.Pairs, key, count, narrow);
        RowCodes.Encode(RowCode.Pairs, value, count, narrow + words);
        uint* keys = (uint*)record + position;
        for (int i = 0; i < words; i++)
            keys[i * BlockSize] = narrow[i];
        ushort* from = (ushort*)(narrow + words), values = (ushort*)(record + ValuesOffset) + (position / 2 * 2 * PlaneWidth) + (position % 2);
        for (int column = 0; column < count; column += PlaneWidth, values += BlockSize * PlaneWidth)
        {
            int end = Math.Min(PlaneWidth, count - column);
            for (int i = 0; i < end; i++)
                values[2 * i] = from[column + i];
        }
    }

    private void Quantise(sbyte* keys, sbyte* values, float* key, float* value, float* scales)
    {
        int count = Shape.HeadDim;
        sbyte* narrow = stackalloc sbyte[2 * count];
        scales[0] = Quantise(key, narrow, count);
        scales[BlockSize] = Quantise(value, narrow + count, count);
        Write(keys, values, narrow, narrow + count);
    }

    private static float Quantise(float* x, sbyte* q, int count) =>
        BlockQuantizer.Activations(new ReadOnlySpan<float>(x, count), new Span<sbyte>(q, count));

    // A key goes down a column of the block, a value along a row of each plane.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Write<T>(T* keys, T* values, T* key, T* value)
        where T : unmanaged
    {
        int count = Shape.HeadDim;
        for (int i = 0; i < count; i++)
            keys[i * BlockSize] = key[i];
        for (int column = 0; column < count; column += PlaneWidth, values += BlockSize * PlaneWidth)
            Unsafe.CopyBlockUnaligned(values, value + column, (uint)(Math.Min(PlaneWidth, count - column) * sizeof(T)));
    }
}
