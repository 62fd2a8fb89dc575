using System.Buffers.Binary;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>Reads the fields of one protocol buffer message, in wire order. Damage is a <see cref="FormatException"/>.</summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest = message;
    private ulong _number;
    private ReadOnlySpan<byte> _bytes;

    /// <summary>Number of the field that was read last.</summary>
    public int Field { get; private set; }

    /// <summary>Reads the next field; false at the end.</summary>
    public bool Read()
    {
        if (_rest.IsEmpty)
            return false;
        var tag = Varint();
        Field = (int)Math.Min(tag >> 3, int.MaxValue);
        _number = 0;
        _bytes = default;
        switch (tag & 7)
        {
            case 0:
                _number = Varint();
                break;
            case 1:
                _number = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case 2:
                _bytes = Take(Varint());
                break;
            case 5:
                _number = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            default:
                throw new FormatException("a field of an unknown wire type");
        }

        return Field > 0 ? true : throw new FormatException("a field without a number");
    }

    /// <summary>The field as bytes: a message or a bytes value; empty if it is a number.</summary>
    public readonly ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The field as an integer (0 if it is bytes).</summary>
    public readonly int Integer => (int)(long)_number;

    /// <summary>The field as a flag.</summary>
    public readonly bool Flag => _number != 0;

    /// <summary>The field as a 32-bit floating-point number.</summary>
    public readonly float Single => BitConverter.UInt32BitsToSingle((uint)_number);

    /// <summary>The field as text.</summary>
    public readonly string Text()
    {
        try
        {
            return Strict.GetString(_bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new FormatException("a text that is not UTF-8", e);
        }
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Take(1)[0];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }

        throw new FormatException("an integer without an end");
    }

    private ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)_rest.Length)
            throw new FormatException("a field that goes beyond the end");
        var taken = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return taken;
    }
}
