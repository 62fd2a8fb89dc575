using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// Reads the header of a GGUF file of version 2 or 3: pairs of key and value, then name, dimensions, type and place of each tensor, then, from the
/// next multiple of the alignment on, their numbers. Everything in it is checked against the file.
/// </summary>
/// <remarks>Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.</remarks>
internal sealed class GgufHeader
{
    // The format's own limits, and arrays in arrays deeper than any writer makes them.
    private const int MaxKeyBytes = 65535;
    private const int MaxNameBytes = 64;
    private const int MaxDimensions = 4;
    private const int MaxNesting = 4;
    private const int DefaultAlignment = 32;

    // The least that a pair of key and value takes (two lengths, a type, a byte), a tensor (a length, three numbers), and a text (its length).
    private const int MinPairBytes = 13;
    private const int MinTensorBytes = 24;
    private const int MinTextBytes = 8;

    private readonly MappedFile _file;
    private long _at;

    private GgufHeader(MappedFile file) => _file = file;

    /// <summary>The metadata and the tensors of a file.</summary>
    /// <exception cref="SteerException">The header is damaged or does not fit the file.</exception>
    public static (GgufMetadata Metadata, IReadOnlyList<GgufTensor> Tensors) Read(MappedFile file) => new GgufHeader(file).Read();

    private (GgufMetadata Metadata, IReadOnlyList<GgufTensor> Tensors) Read()
    {
        if (_file.Length < 24 || !_file.Bytes(0, 4).SequenceEqual("GGUF"u8))
            throw FileError.At(_file.Path, "does not begin as a GGUF file does; copy or download it again.");
        _at = 4;
        uint version = UInt32();
        if (version is not (2 or 3))
        {
            // Read in the other order of bytes, the version of a file for big-endian machines is small.
            throw FileError.At(_file.Path, BinaryPrimitives.ReverseEndianness(version) is 2 or 3
                ? "is a GGUF file for big-endian machines, which is not supported; convert the model again."
                : $"is a GGUF file of version {version}; known are 2 and 3, convert the model again.");
        }

        long tensorCount = Count(MinTensorBytes, "tensors");
        long pairCount = Count(MinPairBytes, "pairs of metadata");
        var values = new Dictionary<string, GgufValue>(StringComparer.Ordinal);
        for (long i = 0; i < pairCount; i++)
        {
            string key = Text(MaxKeyBytes, "a key");
            if (!values.TryAdd(key, Value(key)))
                throw Damaged($"the key {key} comes twice");
        }

        var metadata = new GgufMetadata(_file, values);
        long alignment = metadata.IntegerOrNull("general.alignment") ?? DefaultAlignment;
        if (alignment is < 1 or > 1 << 20 || !BitOperations.IsPow2(alignment))
            throw Damaged(string.Create(CultureInfo.InvariantCulture, $"general.alignment is {alignment}, which is no power of two up to 2^20"));
        return (metadata, Tensors(tensorCount, alignment));
    }

    private GgufValue Value(string key)
    {
        GgufValueType type = ValueType(key);
        if (type != GgufValueType.Array)
        {
            long start = _at;
            Skip(type, key, 0);
            return new GgufValue(type, type, 1, start);
        }

        GgufValueType itemType = ValueType(key);
        long count = (long)UInt64();
        long first = _at;
        SkipItems(itemType, count, key, 1);
        return new GgufValue(type, itemType, count, first);
    }

    private void Skip(GgufValueType type, string key, int depth)
    {
        switch (type)
        {
            case GgufValueType.Text:
                Take((long)UInt64(), key);
                break;
            case GgufValueType.Array when depth >= MaxNesting:
                throw Damaged($"{key} holds arrays in arrays more than {MaxNesting} deep");
            case GgufValueType.Array:
                GgufValueType itemType = ValueType(key);
                SkipItems(itemType, (long)UInt64(), key, depth + 1);
                break;
            default:
                Take(type.Bytes(), key);
                break;
        }
    }

    private void SkipItems(GgufValueType type, long count, string key, int depth)
    {
        int least = type.Bytes() is > 0 and var bytes ? bytes : type == GgufValueType.Text ? MinTextBytes : MinTextBytes + 4;
        if (count < 0 || count > (_file.Length - _at) / least)
            throw Damaged($"{key} is an array of {(ulong)count} items, more than the file holds");
        if (type.Bytes() > 0)
        {
            Take(count * type.Bytes(), key);
            return;
        }

        for (long i = 0; i < count; i++)
            Skip(type, key, depth);
    }

    private List<GgufTensor> Tensors(long count, long alignment)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var tensors = new List<GgufTensor>();
        for (long i = 0; i < count; i++)
        {
            GgufTensor tensor = Tensor(alignment);
            if (!names.Add(tensor.Name))
                throw Damaged($"the tensor {tensor.Name} comes twice");
            tensors.Add(tensor);
        }

        long dataStart = (_at + alignment - 1) / alignment * alignment;
        tensors = tensors.ConvertAll(t => t with { Offset = t.Offset <= _file.Length ? dataStart + t.Offset : t.Offset });
        CheckPlaces(tensors);
        return tensors;
    }

    private GgufTensor Tensor(long alignment)
    {
        string name = Text(MaxKeyBytes, "the name of a tensor");
        if (name.Length > MaxNameBytes)
            throw Damaged($"the name {name} of a tensor has more than {MaxNameBytes} characters");
        uint dimensions = UInt32();
        if (dimensions is < 1 or > MaxDimensions)
            throw Damaged($"tensor {name} has {dimensions} dimensions where 1 to {MaxDimensions} are possible");
        var shape = new long[dimensions];
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong size = UInt64();
            if (size is 0 or > int.MaxValue)
                throw Damaged($"tensor {name} has a dimension of {size}");
            shape[i] = (long)size;
        }

        var type = (GgufType)UInt32();
        ulong offset = UInt64();
        if (!Enum.IsDefined(type))
        {
            throw FileError.At(_file.Path, $"tensor {name} is stored in a type of number {(uint)type}, which is not known; convert the model again " +
                $"to one of {string.Join(", ", Enum.GetNames<GgufType>())}.");
        }

        if (shape[^1] % type.BlockLength() != 0)
            throw Damaged($"tensor {name} has rows of {shape[^1]} numbers, which are no whole blocks of {type}");
        if (offset > (ulong)_file.Length || (long)offset % alignment != 0)
            throw Damaged($"tensor {name} begins at byte {offset}, which is beyond the file or no multiple of its alignment of {alignment}");
        return new GgufTensor(_file, name, type, shape, (long)offset);
    }

    private void CheckPlaces(List<GgufTensor> tensors)
    {
        long next = 0;
        string before = "";
        foreach (GgufTensor tensor in tensors.OrderBy(t => t.Offset))
        {
            // Four dimensions below 2^31 fit 128 bits.
            UInt128 count = tensor.Shape.Aggregate((UInt128)1, (product, dimension) => product * (ulong)dimension);
            UInt128 bytes = count / (uint)tensor.Type.BlockLength() * (uint)tensor.Type.BlockBytes();
            if (tensor.Offset > _file.Length || bytes > (UInt128)(ulong)(_file.Length - tensor.Offset))
            {
                throw Damaged($"tensor {tensor.Name} of type {tensor.Type} and shape {FileError.Shape(tensor.Shape)} takes {bytes} bytes from " +
                    $"byte {tensor.Offset} on, but the file ends at {_file.Length}");
            }

            if (tensor.Offset < next)
                throw Damaged($"the tensors {before} and {tensor.Name} overlap");
            next = tensor.Offset + (long)bytes;
            before = tensor.Name;
        }
    }

    private GgufValueType ValueType(string key)
    {
        uint type = UInt32();
        return Enum.IsDefined((GgufValueType)type) ? (GgufValueType)type : throw Damaged($"{key} has a type of number {type}");
    }

    private long Count(int leastBytes, string what)
    {
        ulong count = UInt64();
        return count <= (ulong)(_file.Length / leastBytes) ? (long)count : throw Damaged($"it claims {count} {what}, more than the file holds");
    }

    private string Text(int maxBytes, string what)
    {
        ulong length = UInt64();
        if (length is 0 || length > (ulong)maxBytes)
            throw Damaged($"{what} of {length} bytes");
        return GgufMetadata.Decode(_file, Take((long)length, what), what);
    }

    private uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), "a number"));

    private ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong), "a number"));

    // Longer values are passed over and not given.
    private ReadOnlySpan<byte> Take(long count, string what)
    {
        if (count < 0 || count > _file.Length - _at)
            throw Damaged($"the file ends within {what}");
        ReadOnlySpan<byte> bytes = _file.Bytes(_at, (int)Math.Min(count, MaxKeyBytes));
        _at += count;
        return bytes;
    }

    private SteerException Damaged(string why) => GgufMetadata.Damaged(_file, why);
}
