using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Types of values; the numbers are those of the file format.</summary>
internal enum GgufValueType
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    Text = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}

/// <summary>Sizes of values.</summary>
internal static class GgufValueTypes
{
    /// <summary>Bytes of a value; 0 where they differ from value to value.</summary>
    public static int Bytes(this GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        _ => 0,
    };
}

/// <summary>Where a value lies.</summary>
/// <param name="Type">Its type.</param>
/// <param name="ItemType">Type of an array's items; else the same.</param>
/// <param name="Count">Items of an array; else 1.</param>
/// <param name="Offset">First byte in the file.</param>
internal readonly record struct GgufValue(GgufValueType Type, GgufValueType ItemType, long Count, long Offset);

/// <summary>
/// The metadata of a GGUF file by its keys, read with types checked: whole numbers from any type of integer, numbers from any type of number.
/// </summary>
internal sealed class GgufMetadata(MappedFile file, IReadOnlyDictionary<string, GgufValue> values)
{
    private const int MaxTextBytes = 16 << 20;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The file, for errors.</summary>
    public string File => file.Path;

    /// <summary>Whether there is an array.</summary>
    public bool IsArray(string key) => values.TryGetValue(key, out GgufValue value) && value.Type == GgufValueType.Array;

    /// <summary>An error about a value.</summary>
    public SteerException Error(string key, string problem) => FileError.At(File, $"{key} {problem}");

    /// <summary>A text.</summary>
    public string Text(string key) => TextOrNull(key) ?? throw Missing(key);

    /// <summary>A text, or null where it is missing.</summary>
    public string? TextOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value))
            return null;
        if (value.Type != GgufValueType.Text)
            throw Wrong(key, "a text");
        long at = value.Offset;
        return NextText(key, ref at);
    }

    /// <summary>A truth value, or null where it is missing.</summary>
    public bool? BoolOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value))
            return null;
        return value.Type == GgufValueType.Bool ? file.Bytes(value.Offset, 1)[0] != 0 : throw Wrong(key, "true or false");
    }

    /// <summary>A whole number.</summary>
    public long Integer(string key) => IntegerOrNull(key) ?? throw Missing(key);

    /// <summary>A whole number, or null where it is missing.</summary>
    public long? IntegerOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value))
            return null;
        return IntegerAt(key, value.Type, value.Offset);
    }

    /// <summary>A whole number, or one for each layer that are all the same; null where it is missing.</summary>
    public long? UniformIntegerOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value) || value.Type != GgufValueType.Array)
            return IntegerOrNull(key);
        long[] all = Integers(key);
        if (all.Length == 0 || all.Any(n => n != all[0]))
            throw Error(key, "differs from layer to layer, which is not supported; use another model.");
        return all[0];
    }

    /// <summary>A finite number, or null where it is missing.</summary>
    public double? NumberOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value))
            return null;
        double number = value.Type switch
        {
            GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(file.Bytes(value.Offset, sizeof(float))),
            GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(file.Bytes(value.Offset, sizeof(double))),
            _ => IntegerAt(key, value.Type, value.Offset),
        };
        return double.IsFinite(number) ? number : throw Error(key, "is no finite number; copy or download the file again.");
    }

    /// <summary>An array of texts, or null where it is missing.</summary>
    public string[]? TextsOrNull(string key)
    {
        if (ArrayOrNull(key) is not { } array)
            return null;
        if (array.ItemType != GgufValueType.Text)
            throw Wrong(key, "an array of texts");
        var texts = new string[array.Count];
        long at = array.Offset;
        for (int i = 0; i < texts.Length; i++)
            texts[i] = NextText(key, ref at);
        return texts;
    }

    /// <summary>An array of whole numbers or truth values, or null where it is missing.</summary>
    public long[]? IntegersOrNull(string key)
    {
        if (ArrayOrNull(key) is not { } array)
            return null;
        int size = array.ItemType.Bytes();
        if (size == 0 || array.ItemType is GgufValueType.Float32 or GgufValueType.Float64)
            throw Wrong(key, "an array of whole numbers");
        var numbers = new long[array.Count];
        for (int i = 0; i < numbers.Length; i++)
        {
            long at = array.Offset + (long)i * size;
            numbers[i] = array.ItemType == GgufValueType.Bool ? file.Bytes(at, 1)[0] : IntegerAt(key, array.ItemType, at);
        }

        return numbers;
    }

    /// <summary>An array of 32-bit floats, or null where it is missing.</summary>
    public float[]? FloatsOrNull(string key)
    {
        if (ArrayOrNull(key) is not { } array)
            return null;
        if (array.ItemType != GgufValueType.Float32)
            throw Wrong(key, "an array of 32-bit floats");
        var numbers = new float[array.Count];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BinaryPrimitives.ReadSingleLittleEndian(file.Bytes(array.Offset + (long)i * sizeof(float), sizeof(float)));
        return numbers;
    }

    /// <summary>A text of UTF-8.</summary>
    /// <exception cref="SteerException">The bytes are none.</exception>
    public static string Decode(MappedFile file, ReadOnlySpan<byte> bytes, string what)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Damaged(file, $"{what} is no valid UTF-8");
        }
    }

    /// <summary>An error about a header.</summary>
    public static SteerException Damaged(MappedFile file, string why) =>
        FileError.At(file.Path, $"the GGUF header is damaged: {why}; copy or download the file again.");

    private long[] Integers(string key) => IntegersOrNull(key) ?? throw Missing(key);

    private GgufValue? ArrayOrNull(string key)
    {
        if (!values.TryGetValue(key, out GgufValue value))
            return null;
        if (value.Type != GgufValueType.Array)
            throw Wrong(key, "an array");
        return value.Count <= Array.MaxLength / sizeof(long)
            ? value
            : throw Error(key, string.Create(CultureInfo.InvariantCulture, $"has {value.Count} items, more than can be read."));
    }

    // The header's reader has seen that the text lies in the file.
    private string NextText(string key, ref long at)
    {
        long length = BinaryPrimitives.ReadInt64LittleEndian(file.Bytes(at, sizeof(long)));
        if (length > MaxTextBytes)
            throw Error(key, string.Create(CultureInfo.InvariantCulture, $"has a text of {length} bytes, more than can be read."));
        ReadOnlySpan<byte> bytes = file.Bytes(at + sizeof(long), (int)length);
        at += sizeof(long) + length;
        return Decode(file, bytes, key);
    }

    private long IntegerAt(string key, GgufValueType type, long offset)
    {
        ReadOnlySpan<byte> bytes = file.Bytes(offset, type.Bytes());
        switch (type)
        {
            case GgufValueType.UInt8:
                return bytes[0];
            case GgufValueType.Int8:
                return (sbyte)bytes[0];
            case GgufValueType.UInt16:
                return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            case GgufValueType.Int16:
                return BinaryPrimitives.ReadInt16LittleEndian(bytes);
            case GgufValueType.UInt32:
                return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            case GgufValueType.Int32:
                return BinaryPrimitives.ReadInt32LittleEndian(bytes);
            case GgufValueType.Int64:
                return BinaryPrimitives.ReadInt64LittleEndian(bytes);
            case GgufValueType.UInt64 when BinaryPrimitives.ReadUInt64LittleEndian(bytes) is <= long.MaxValue and var number:
                return (long)number;
            case GgufValueType.UInt64:
                throw Error(key, "is too large; copy or download the file again.");
            default:
                throw Wrong(key, "a whole number");
        }
    }

    private SteerException Missing(string key) => Error(key, "is missing; copy or download the file again.");

    private SteerException Wrong(string key, string what) => Error(key, $"must be {what}; convert the model again.");
}
