using System.Numerics.Tensors;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// A tensor of a GGUF file, or a part of one, under the name and with the rows that it has in a Hugging Face folder, so that everything behind the
/// loader sees one kind of checkpoint.
/// </summary>
internal sealed class BlockTensor : StoredTensor
{
    // Blocks that one call decodes: their bytes stay far below what an int counts.
    private const int MaxChunkBlocks = 1 << 16;

    private readonly GgufTensor _stored;
    private readonly int[]? _rowMap;

    /// <summary>A tensor, or rows of it.</summary>
    /// <param name="name">Name in a Hugging Face folder.</param>
    /// <param name="stored">Where the first number lies; its shape may be that of a larger tensor.</param>
    /// <param name="shape">Dimensions, the outermost first; rows are whole blocks.</param>
    /// <param name="rowMap">Stored row of each row; of a tensor with one dimension each number is a row. Null where they are the same.</param>
    public BlockTensor(string name, GgufTensor stored, long[] shape, int[]? rowMap = null)
        : base(stored.File, name, shape)
    {
        _stored = stored;
        _rowMap = rowMap;
    }

    /// <inheritdoc/>
    public override string TypeName => _stored.Type.ToString();

    /// <inheritdoc/>
    private protected override string NameInFile => _stored.Name;

    /// <summary>Is added to every number (norms that count from 1 have 1 added in GGUF files).</summary>
    public float Shift { get; init; }

    /// <summary>See <see cref="IsTurned"/>.</summary>
    public bool Turned { get; init; }

    /// <inheritdoc/>
    internal override bool IsTurned => Turned;

    /// <inheritdoc/>
    internal override bool IsWeight => true;

    /// <summary>
    /// Blocks of few bits as bfloat16, which rounds a number by 1/256 of itself at most: less than the blocks lost before.
    /// </summary>
    internal override DType DefaultType => _stored.Type switch
    {
        GgufType.F32 => DType.F32,
        GgufType.F16 => DType.F16,
        _ => DType.BF16,
    };

    /// <inheritdoc/>
    internal override void Read(long start, Span<float> destination)
    {
        if (_rowMap is null)
            ReadStored(start, destination);
        else
            ReadMapped(start, destination);
        if (Shift != 0)
            TensorPrimitives.Add(destination, Shift, destination);
    }

    private void ReadMapped(long start, Span<float> destination)
    {
        long columns = Shape.Count == 1 ? 1 : Shape[^1];
        while (!destination.IsEmpty)
        {
            long column = start % columns;
            int length = (int)Math.Min(columns - column, destination.Length);
            ReadStored(_rowMap![start / columns] * columns + column, destination[..length]);
            start += length;
            destination = destination[length..];
        }
    }

    private void ReadStored(long start, Span<float> destination)
    {
        int length = _stored.Type.BlockLength();
        while (!destination.IsEmpty)
        {
            int skip = (int)(start % length), blocks = Math.Min(destination.Length / length, MaxChunkBlocks);
            ReadOnlySpan<byte> bytes = Mapped.Bytes(
                _stored.Offset + _stored.Type.Bytes(start - skip), Math.Max(1, blocks) * _stored.Type.BlockBytes());
            int written;
            if (skip == 0 && blocks > 0)
            {
                written = blocks * length;
                BlockDecoder.Decode(_stored.Type, bytes, destination[..written]);
            }
            else
            {
                written = Math.Min(length - skip, destination.Length);
                ReadPart(bytes[.._stored.Type.BlockBytes()], skip, destination[..written]);
            }

            start += written;
            destination = destination[written..];
        }
    }

    private void ReadPart(ReadOnlySpan<byte> block, int skip, Span<float> destination)
    {
        Span<float> whole = stackalloc float[256];
        whole = whole[.._stored.Type.BlockLength()];
        BlockDecoder.Decode(_stored.Type, block, whole);
        whole.Slice(skip, destination.Length).CopyTo(destination);
    }
}
