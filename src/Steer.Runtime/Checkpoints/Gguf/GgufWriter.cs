using System.Runtime.InteropServices;
using System.Text;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">How its numbers are stored.</param>
/// <param name="Shape">Dimensions, the outermost first (the file has them the other way round).</param>
internal sealed record GgufDeclaration(string Name, GgufType Type, params long[] Shape)
{
    /// <summary>Bytes of its numbers.</summary>
    public long Bytes => Shape.Aggregate(1L, (product, dimension) => checked(product * dimension)) / Type.BlockLength() * Type.BlockBytes();
}

/// <summary>
/// Writes a GGUF file, version 3: metadata and the list of tensors first, then their numbers row by row in that order. The file gets its name when it
/// is finished; one that is not is removed.
/// </summary>
internal sealed class GgufWriter : IDisposable
{
    private const int Alignment = 32;

    private readonly PartialFile _file;
    private readonly IReadOnlyList<GgufDeclaration> _tensors;
    private readonly BinaryWriter _writer;
    private int _current;
    private long _left;

    private GgufWriter(PartialFile file, IReadOnlyList<GgufDeclaration> tensors)
    {
        _file = file;
        _tensors = tensors;
        _writer = new BinaryWriter(file.Stream);
        _left = tensors[0].Bytes;
    }

    /// <summary>Begins a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Texts, unsigned and signed 32-bit numbers, floats, truth values and arrays of these.</param>
    /// <param name="tensors">At least one.</param>
    /// <exception cref="ArgumentException">A row cannot be divided into blocks, or a value has another type.</exception>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public static GgufWriter Create(string path, IReadOnlyDictionary<string, object> metadata, IReadOnlyList<GgufDeclaration> tensors)
    {
        if (tensors.FirstOrDefault(t => t.Shape[^1] % t.Type.BlockLength() != 0) is { } broken)
            throw new ArgumentException($"{broken.Name}: rows of {broken.Shape[^1]} are no blocks of {broken.Type}.", nameof(tensors));
        var file = new PartialFile(path);
        var writer = new GgufWriter(file, tensors);
        file.Begin(() => writer.WriteHeader(metadata));
        return writer;
    }

    /// <summary>Writes the next numbers of the current tensor: whole blocks, not beyond its end.</summary>
    /// <exception cref="ArgumentException">The numbers are not as many as they may be.</exception>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public void Write(ReadOnlySpan<float> numbers)
    {
        var type = _tensors[_current].Type;
        long bytes = (long)numbers.Length / type.BlockLength() * type.BlockBytes();
        if (numbers.Length % type.BlockLength() != 0 || bytes > _left)
            throw new ArgumentException($"{numbers.Length} numbers do not fit into {_tensors[_current].Name}.", nameof(numbers));
        try
        {
            WriteAs(type, numbers);
            _left -= bytes;
            if (_left == 0)
            {
                Align();
                if (_current + 1 < _tensors.Count)
                    _left = _tensors[++_current].Bytes;
            }
        }
        catch (Exception e) when (PartialFile.IsUnwritable(e))
        {
            throw _file.Unwritable(e);
        }
    }

    /// <summary>Gives the file its name.</summary>
    /// <exception cref="InvalidOperationException">Numbers are still missing.</exception>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public void Finish()
    {
        if (_left > 0)
            throw new InvalidOperationException("Fewer numbers than were declared.");
        _file.Finish();
    }

    /// <summary>Closes the file, and removes it unless it is finished.</summary>
    public void Dispose() => _file.Dispose();

    private void WriteHeader(IReadOnlyDictionary<string, object> metadata)
    {
        _writer.Write("GGUF"u8);
        _writer.Write(3u);
        _writer.Write((ulong)_tensors.Count);
        _writer.Write((ulong)metadata.Count);
        foreach (var (key, value) in metadata)
        {
            WriteText(key);
            _writer.Write(TypeOf(value));
            WriteValue(value);
        }

        long offset = 0;
        foreach (var tensor in _tensors)
        {
            WriteText(tensor.Name);
            _writer.Write(tensor.Shape.Length);
            foreach (long dimension in tensor.Shape.Reverse())
                _writer.Write(dimension);
            _writer.Write((int)tensor.Type);
            _writer.Write(offset);
            offset += (tensor.Bytes + Alignment - 1) / Alignment * Alignment;
        }

        Align();
    }

    private static int TypeOf(object value) => value switch
    {
        uint => 4,
        int => 5,
        float => 6,
        bool => 7,
        string => 8,
        Array => 9,
        _ => throw new ArgumentException($"A value of type {value.GetType().Name} cannot be written.", nameof(value)),
    };

    private void WriteValue(object value)
    {
        switch (value)
        {
            case uint number:
                _writer.Write(number);
                break;
            case int number:
                _writer.Write(number);
                break;
            case float number:
                _writer.Write(number);
                break;
            case bool truth:
                _writer.Write(truth);
                break;
            case string text:
                WriteText(text);
                break;
            case Array array:
                _writer.Write(TypeOf(array.GetValue(0)!));
                _writer.Write((ulong)array.Length);
                foreach (object item in array)
                    WriteValue(item);
                break;
        }
    }

    private void WriteText(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        _writer.Write((ulong)bytes.Length);
        _writer.Write(bytes);
    }

    private void WriteAs(GgufType type, ReadOnlySpan<float> numbers)
    {
        switch (type)
        {
            case GgufType.F32:
                _writer.Write(MemoryMarshal.AsBytes(numbers));
                break;
            case GgufType.BF16:
                BFloat16.Write(_file.Stream, numbers);
                break;
            default:
                for (int i = 0; i < numbers.Length; i += GgufType.Q8_0.BlockLength())
                    WriteQ8(numbers.Slice(i, GgufType.Q8_0.BlockLength()));
                break;
        }
    }

    // The largest number becomes 127; halves are rounded away from zero.
    private void WriteQ8(ReadOnlySpan<float> block)
    {
        float largest = 0;
        foreach (float number in block)
            largest = MathF.Max(largest, MathF.Abs(number));
        float scale = largest / 127, inverse = scale > 0 ? 1 / scale : 0;
        _writer.Write((Half)scale);
        Span<sbyte> bytes = stackalloc sbyte[block.Length];
        for (int i = 0; i < block.Length; i++)
            bytes[i] = (sbyte)MathF.Round(block[i] * inverse, MidpointRounding.AwayFromZero);
        _writer.Write(MemoryMarshal.AsBytes(bytes));
    }

    private void Align()
    {
        _writer.Flush();
        for (long position = _writer.BaseStream.Position; position % Alignment != 0; position++)
            _writer.Write((byte)0);
    }
}
