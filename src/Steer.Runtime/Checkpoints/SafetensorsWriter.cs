using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">How its numbers are stored.</param>
/// <param name="Shape">Dimensions, the outermost first.</param>
public sealed record TensorDeclaration(string Name, DType Type, params long[] Shape)
{
    /// <summary>Numbers in the tensor.</summary>
    public long Count => Shape.Aggregate(1L, (product, dimension) => checked(product * dimension));
}

/// <summary>
/// Writes a safetensors file without holding it in memory: all tensors are declared first, then their numbers follow in that order. The
/// file gets its name when it is finished; one that is not is removed.
/// </summary>
/// <example>
/// <code>
/// using var writer = SafetensorsWriter.Create(path, [new("logits", DType.F32, 2, 3)]);
/// writer.Write(numbers);
/// writer.Finish();
/// </code>
/// </example>
public sealed class SafetensorsWriter : IDisposable
{
    private readonly PartialFile _file;
    private readonly IReadOnlyList<TensorDeclaration> _tensors;
    private int _current;
    private long _left;

    private SafetensorsWriter(PartialFile file, IReadOnlyList<TensorDeclaration> tensors)
    {
        _file = file;
        _tensors = tensors;
        _left = tensors.Count > 0 ? tensors[0].Count : 0;
    }

    /// <summary>Begins a file; declare F32 before BF16 tensors, so that each lies at a multiple of its number's size.</summary>
    /// <exception cref="ArgumentException">A name occurs twice, a dimension is negative, or a tensor would not be aligned.</exception>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public static SafetensorsWriter Create(string path, IReadOnlyList<TensorDeclaration> tensors)
    {
        byte[] header = Header(tensors);
        var file = new PartialFile(path);
        file.Begin(() => file.Stream.Write(header));
        return new SafetensorsWriter(file, tensors);
    }

    /// <summary>Writes the numbers that come next; they may end in the middle of a tensor, or reach into the one after it.</summary>
    /// <exception cref="ArgumentException">There are more numbers than were declared.</exception>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public void Write(ReadOnlySpan<float> numbers)
    {
        while (!numbers.IsEmpty)
        {
            while (_left == 0)
            {
                if (++_current >= _tensors.Count)
                    throw new ArgumentException("More numbers than were declared.", nameof(numbers));
                _left = _tensors[_current].Count;
            }

            int count = (int)Math.Min(_left, numbers.Length);
            WriteAs(_tensors[_current].Type, numbers[..count]);
            _left -= count;
            numbers = numbers[count..];
        }
    }

    /// <summary>Gives the file its name.</summary>
    /// <exception cref="InvalidOperationException">Numbers are still missing.</exception>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public void Finish()
    {
        if (_left > 0 || _tensors.Skip(_current + 1).Any(t => t.Count > 0))
            throw new InvalidOperationException("Fewer numbers than were declared.");
        _file.Finish();
    }

    /// <summary>Closes the file, and removes it unless it is finished.</summary>
    public void Dispose() => _file.Dispose();

    private static byte[] Header(IReadOnlyList<TensorDeclaration> tensors)
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json))
        {
            var names = new HashSet<string>();
            long offset = 0;
            writer.WriteStartObject();
            foreach (TensorDeclaration tensor in tensors)
            {
                if (!names.Add(tensor.Name) || tensor.Shape.Any(d => d < 0) || offset % tensor.Type.Size() != 0)
                {
                    throw new ArgumentException(
                        $"Tensor {tensor.Name} is declared twice, has a negative dimension, or must come earlier.", nameof(tensors));
                }

                long end = checked(offset + tensor.Count * tensor.Type.Size());
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype", tensor.Type.ToString());
                WriteNumbers(writer, "shape", tensor.Shape);
                WriteNumbers(writer, "data_offsets", [offset, end]);
                writer.WriteEndObject();
                offset = end;
            }

            writer.WriteEndObject();
        }

        // Spaces fill the header up to a multiple of 8 bytes, so that the numbers are aligned.
        var header = new byte[sizeof(ulong) + (json.WrittenCount + 7) / 8 * 8];
        header.AsSpan().Fill((byte)' ');
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - sizeof(ulong)));
        json.WrittenSpan.CopyTo(header.AsSpan(sizeof(ulong)));
        return header;
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, ReadOnlySpan<long> numbers)
    {
        writer.WriteStartArray(name);
        foreach (long number in numbers)
            writer.WriteNumberValue(number);
        writer.WriteEndArray();
    }

    private void WriteAs(DType type, ReadOnlySpan<float> numbers)
    {
        try
        {
            if (type == DType.F32)
                _file.Stream.Write(MemoryMarshal.AsBytes(numbers));
            else
                BFloat16.Write(_file.Stream, numbers);
        }
        catch (Exception e) when (PartialFile.IsUnwritable(e))
        {
            throw _file.Unwritable(e);
        }
    }
}
