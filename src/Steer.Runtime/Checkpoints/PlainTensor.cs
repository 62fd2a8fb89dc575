using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>A tensor whose numbers lie one after the other, each for itself.</summary>
internal sealed class PlainTensor(MappedFile file, string name, StorageType type, long[] shape, long offset) : StoredTensor(file, name, shape)
{
    /// <inheritdoc/>
    public override string TypeName => type.ToString();

    /// <inheritdoc/>
    internal override bool IsWeight => type.IsWeight();

    /// <inheritdoc/>
    internal override DType DefaultType => type.ExactType();

    /// <summary>Widens the numbers from <paramref name="start"/> on to float32 (exact for F32, F16 and BF16).</summary>
    internal override void Read(long start, Span<float> destination)
    {
        ReadOnlySpan<byte> bytes = Mapped.Bytes(offset + start * type.Size(), checked(destination.Length * type.Size()));
        switch (type)
        {
            case StorageType.F32:
                MemoryMarshal.Cast<byte, float>(bytes).CopyTo(destination);
                break;
            case StorageType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), destination);
                break;
            case StorageType.BF16:
                BFloat16.Widen(MemoryMarshal.Cast<byte, ushort>(bytes), destination);
                break;
            default:
                throw new InvalidOperationException($"{type} does not hold weights.");
        }
    }

    /// <inheritdoc/>
    internal override long[] ReadIntegers()
    {
        if (type is not (StorageType.I64 or StorageType.I32))
            return base.ReadIntegers();
        if (Count > Array.MaxLength / 8)
            throw Error($"has {Count} numbers, more than can be read at once.");
        var numbers = new long[Count];
        ReadOnlySpan<byte> bytes = Mapped.Bytes(offset, numbers.Length * type.Size());
        if (type == StorageType.I64)
            MemoryMarshal.Cast<byte, long>(bytes).CopyTo(numbers);
        else
            TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, int>(bytes), numbers);
        return numbers;
    }
}
