using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>Where a tensor lies in a mapped file; its place and size are already checked against the file.</summary>
public abstract class StoredTensor
{
    private protected StoredTensor(MappedFile file, string name, long[] shape)
    {
        Mapped = file;
        Name = name;
        Shape = shape;
        // Dimensions beside a zero are bound by nothing.
        Count = shape.Contains(0) ? 0 : shape.Aggregate(1L, (product, dimension) => checked(product * dimension));
    }

    /// <summary>Name by which it is looked for: that in the file, or the one that it has in a Hugging Face folder.</summary>
    public string Name { get; }

    /// <summary>How its numbers are stored, as its file's format calls it.</summary>
    public abstract string TypeName { get; }

    /// <summary>Dimensions, the outermost first; empty for a single number.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Numbers in the tensor.</summary>
    public long Count { get; }

    /// <summary>File that holds it.</summary>
    public string File => Mapped.Path;

    /// <summary>The file.</summary>
    private protected MappedFile Mapped { get; }

    /// <summary>Name in the file, for errors.</summary>
    private protected virtual string NameInFile => Name;

    /// <summary>Weights may be stored like this.</summary>
    internal abstract bool IsWeight { get; }

    /// <summary>The type in which to hold its numbers where none is asked for.</summary>
    internal abstract DType DefaultType { get; }

    /// <summary>Its rows are the columns that the tensor of this name has in a Hugging Face folder (GPT-2's projections in GGUF files).</summary>
    internal virtual bool IsTurned => false;

    /// <summary>An error about this tensor.</summary>
    internal SteerException Error(string problem) => FileError.At(File, $"tensor {NameInFile} {problem}");

    /// <summary>Throws unless the tensor is stored in a type of weights.</summary>
    internal void CheckIsWeight()
    {
        if (!IsWeight)
            throw Error($"is stored as {TypeName}; convert the checkpoint to F32, F16 or BF16.");
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

    /// <summary>The numbers from <paramref name="start"/> on as float32.</summary>
    internal abstract void Read(long start, Span<float> destination);

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
    internal virtual long[] ReadIntegers() => throw Error($"is stored as {TypeName} where whole numbers (I64 or I32) are expected.");
}
