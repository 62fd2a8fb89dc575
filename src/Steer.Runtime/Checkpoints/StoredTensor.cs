using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Steer.Runtime.Checkpoints;

/// <summary>Where a tensor lies in a mapped file; its place and size are already checked against the file.</summary>
public sealed class StoredTensor
{
    private readonly MappedFile _file;
    private readonly long _offset;

    internal StoredTensor(MappedFile file, string name, StorageType type, long[] shape, long offset)
    {
        _file = file;
        _offset = offset;
        Name = name;
        Type = type;
        Shape = shape;
        // Dimensions beside a zero are bound by nothing.
        Count = shape.Contains(0) ? 0 : shape.Aggregate(1L, (product, dimension) => checked(product * dimension));
    }

    /// <summary>Name in the file.</summary>
    public string Name { get; }

    /// <summary>How its numbers are stored.</summary>
    public StorageType Type { get; }

    /// <summary>Dimensions, the outermost first; empty for a single number.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Numbers in the tensor.</summary>
    public long Count { get; }

    /// <summary>File that holds it.</summary>
    public string File => _file.Path;

    /// <summary>An error about this tensor.</summary>
    internal SteerException Error(string problem) => FileError.At(File, $"tensor {Name} {problem}");

    /// <summary>Throws unless the tensor is stored in a type of weights.</summary>
    internal void CheckIsWeight()
    {
        if (!Type.IsWeight())
            throw Error($"is stored as {Type}; convert the checkpoint to F32, F16 or BF16.");
    }

    /// <summary>Throws unless the tensor has this shape.</summary>
    internal void CheckShape(params ReadOnlySpan<long> shape)
    {
        if (!Shape.SequenceEqual(shape.ToArray()))
        {
            throw Error($"has shape {FileError.Shape(Shape)} where {FileError.Shape(shape.ToArray())} is expected; " +
                "check that the configuration belongs to these weights.");
        }
    }

    /// <summary>Widens the numbers from <paramref name="start"/> on to float32 (exact for F32, F16 and BF16).</summary>
    internal void Read(long start, Span<float> destination)
    {
        ReadOnlySpan<byte> bytes = _file.Bytes(_offset + start * Type.Size(), checked(destination.Length * Type.Size()));
        switch (Type)
        {
            case StorageType.F32:
                MemoryMarshal.Cast<byte, float>(bytes).CopyTo(destination);
                break;
            case StorageType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), destination);
                break;
            case StorageType.BF16:
                WidenBF16(MemoryMarshal.Cast<byte, ushort>(bytes), destination);
                break;
            default:
                throw new InvalidOperationException($"{Type} does not hold weights.");
        }
    }

    /// <summary>All numbers as float32.</summary>
    internal float[] ReadAll()
    {
        CheckIsWeight();
        if (Count > Array.MaxLength)
            throw Error($"has {Count} numbers, more than can be read at once.");
        var numbers = new float[Count];
        Read(0, numbers);
        return numbers;
    }

    /// <summary>All numbers as float32.</summary>
    /// <exception cref="SteerException">One of them is NaN or infinite.</exception>
    internal float[] ReadFinite()
    {
        float[] numbers = ReadAll();
        return numbers.All(float.IsFinite)
            ? numbers
            : throw Error("holds NaN or infinity; the file is damaged, copy or download it again.");
    }

    /// <summary>Whether another tensor of this size holds the same numbers, however they are stored.</summary>
    internal bool HasSameNumbers(StoredTensor other)
    {
        const int Chunk = 4096;
        var mine = new float[Math.Min(Chunk, Count)];
        var its = new float[mine.Length];
        for (long start = 0; start < Count; start += Chunk)
        {
            int length = (int)Math.Min(Chunk, Count - start);
            Read(start, mine.AsSpan(0, length));
            other.Read(start, its.AsSpan(0, length));
            if (!mine.AsSpan(0, length).SequenceEqual(its.AsSpan(0, length)))
                return false;
        }

        return true;
    }

    /// <summary>All numbers as integers; I64 and I32.</summary>
    internal long[] ReadIntegers()
    {
        if (Type is not (StorageType.I64 or StorageType.I32))
            throw Error($"is stored as {Type} where whole numbers (I64 or I32) are expected.");
        if (Count > Array.MaxLength / 8)
            throw Error($"has {Count} numbers, more than can be read at once.");
        var numbers = new long[Count];
        ReadOnlySpan<byte> bytes = _file.Bytes(_offset, numbers.Length * Type.Size());
        if (Type == StorageType.I64)
            MemoryMarshal.Cast<byte, long>(bytes).CopyTo(numbers);
        else
            TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, int>(bytes), numbers);
        return numbers;
    }

    private static void WidenBF16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination);
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }

        for (; i < source.Length; i++)
            bits[i] = (uint)source[i] << 16;
    }
}
