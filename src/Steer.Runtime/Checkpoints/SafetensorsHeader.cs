using System.Buffers.Binary;
using System.Text.Json;

namespace Steer.Runtime.Checkpoints;

/// <summary>
/// Reads the header of a safetensors file: 8 bytes of length, then JSON that names each tensor's type, shape and place.
/// Everything in it is checked against the file, as the format asks: tensors neither overlap nor leave holes.
/// </summary>
/// <remarks>Format: https://huggingface.co/docs/safetensors (metadata parsing).</remarks>
internal static class SafetensorsHeader
{
    // The limit of the reference implementation.
    private const long MaxHeaderBytes = 100_000_000;
    private const int MaxDimensions = 16;
    private const string Damaged = "copy or download the file again.";

    private readonly record struct Entry(string Name, StorageType Type, long[] Shape, long Begin, long End);

    /// <summary>The tensors of a file.</summary>
    /// <exception cref="SteerException">The header is damaged or does not fit the file.</exception>
    public static Dictionary<string, StoredTensor> Read(MappedFile file)
    {
        if (file.Length < 8)
            throw FileError.At(file.Path, $"{file.Length} bytes are too few for a safetensors file; {Damaged}");
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(file.Bytes(0, 8));
        if (headerBytes > MaxHeaderBytes)
            throw FileError.At(file.Path, $"the header claims {headerBytes} bytes, so this is no safetensors file; {Damaged}");
        if ((long)headerBytes > file.Length - 8)
            throw FileError.At(file.Path, $"the header claims {headerBytes} bytes but the file ends after {file.Length - 8}; {Damaged}");

        List<Entry> entries;
        try
        {
            entries = Parse(file.Bytes(8, (int)headerBytes));
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or OverflowException)
        {
            throw FileError.At(file.Path, $"the safetensors header is damaged ({JsonFault.Describe(e)}); {Damaged}", e);
        }

        long dataStart = 8 + (long)headerBytes;
        CheckPlaces(file, entries, file.Length - dataStart);
        var tensors = new Dictionary<string, StoredTensor>(entries.Count);
        foreach (Entry entry in entries)
        {
            var tensor = new PlainTensor(file, entry.Name, entry.Type, entry.Shape, dataStart + entry.Begin);
            if (!tensors.TryAdd(entry.Name, tensor))
                throw FileError.At(file.Path, $"the header names tensor {entry.Name} twice; {Damaged}");
        }

        return tensors;
    }

    private static List<Entry> Parse(ReadOnlySpan<byte> json)
    {
        // The deepest value is a number in a tensor's shape: object, object, array.
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 4 });
        var entries = new List<Entry>();
        Expect(ref reader, JsonTokenType.StartObject);
        while (NextProperty(ref reader))
        {
            string name = reader.GetString()!;
            Expect(ref reader, JsonTokenType.StartObject);
            if (name == "__metadata__")
                reader.Skip();
            else
                entries.Add(ParseEntry(ref reader, name));
        }

        if (reader.Read())
            throw new FormatException("text after the last brace");
        return entries;
    }

    private static Entry ParseEntry(ref Utf8JsonReader reader, string name)
    {
        StorageType? type = null;
        long[]? shape = null;
        long[]? place = null;
        while (NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("dtype"u8) && type is null)
            {
                Expect(ref reader, JsonTokenType.String);
                type = ParseType(reader.GetString()!, name);
            }
            else if (reader.ValueTextEquals("shape"u8) && shape is null)
            {
                shape = ParseNumbers(ref reader, name);
            }
            else if (reader.ValueTextEquals("data_offsets"u8) && place is null)
            {
                place = ParseNumbers(ref reader, name);
            }
            else
            {
                throw new FormatException($"tensor {name} has an unknown or repeated field {reader.GetString()}");
            }
        }

        if (type is null || shape is null || place is not { Length: 2 })
            throw new FormatException($"tensor {name} lacks dtype, shape or two data_offsets");
        return new Entry(name, type.Value, shape, place[0], place[1]);
    }

    private static StorageType ParseType(string text, string name)
    {
        // Enum.TryParse would also take digits and lists.
        if (char.IsAsciiLetter(text.FirstOrDefault()) && !text.Contains(',') && Enum.TryParse(text, out StorageType type))
            return type;
        throw new FormatException($"tensor {name} has the unknown dtype {text}");
    }

    private static long[] ParseNumbers(ref Utf8JsonReader reader, string name)
    {
        Span<long> numbers = stackalloc long[MaxDimensions];
        int count = 0;
        Expect(ref reader, JsonTokenType.StartArray);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                throw new FormatException($"tensor {name} has a size or place that is not a whole number from 0 on");
            if (count == MaxDimensions)
                throw new FormatException($"tensor {name} has more than {MaxDimensions} dimensions");
            numbers[count++] = number;
        }

        return numbers[..count].ToArray();
    }

    private static void CheckPlaces(MappedFile file, List<Entry> entries, long dataBytes)
    {
        long next = 0;
        foreach (Entry entry in entries.OrderBy(e => e.Begin).ThenBy(e => e.End))
        {
            if (entry.End < entry.Begin || entry.End > dataBytes)
            {
                throw FileError.At(file.Path,
                    $"tensor {entry.Name} lies at bytes {entry.Begin} to {entry.End} of {dataBytes}: the file is cut short or its header lies; " +
                    $"{Damaged}");
            }

            if (BytesOf(entry) != (UInt128)(ulong)(entry.End - entry.Begin))
            {
                throw FileError.At(file.Path,
                    $"tensor {entry.Name} of type {entry.Type} and shape {FileError.Shape(entry.Shape)} does not fit its " +
                    $"{entry.End - entry.Begin} bytes; {Damaged}");
            }

            if (entry.Begin != next)
            {
                throw FileError.At(file.Path,
                    $"tensor {entry.Name} begins at byte {entry.Begin} where {next} is expected: tensors overlap or leave a hole; {Damaged}");
            }

            next = entry.End;
        }

        if (next != dataBytes)
            throw FileError.At(file.Path, $"the tensors end at byte {next} of {dataBytes}; {Damaged}");
    }

    private static UInt128 BytesOf(Entry entry)
    {
        // Stops before 128 bits can overflow: a product beyond 64 bits fits no file, and a zero dimension empties the tensor.
        if (entry.Shape.Contains(0))
            return 0;
        UInt128 bytes = (UInt128)entry.Type.Size();
        foreach (long dimension in entry.Shape)
        {
            bytes *= (ulong)dimension;
            if (bytes > ulong.MaxValue)
                break;
        }

        return bytes;
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (!reader.Read() || reader.TokenType != type)
            throw new FormatException($"a {type} is expected at byte {reader.TokenStartIndex}");
    }

    private static bool NextProperty(ref Utf8JsonReader reader)
    {
        if (!reader.Read())
            throw new FormatException("the header ends too early");
        return reader.TokenType == JsonTokenType.PropertyName;
    }
}
