using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// GPT-2's alphabet: one printable character for each byte, so that byte-level vocabularies are text. Printable bytes of Latin-1 stand for
/// themselves, the other 68 for U+0100 and up (a space is 'Ġ').
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] CharOfByte = BuildChars();
    private static readonly short[] ByteOfChar = BuildBytes();

    /// <summary>The byte that a character stands for, or -1.</summary>
    public static int ByteOf(char c) => c < ByteOfChar.Length ? ByteOfChar[c] : -1;

    /// <summary>The character of a byte.</summary>
    public static char CharOf(byte value) => CharOfByte[value];

    /// <summary>Most characters that <see cref="Map"/> writes for a text of this length.</summary>
    public static int MaxLength(int textLength) => textLength * 3;

    /// <summary>Writes the characters of the text's UTF-8 bytes and returns how many there are.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="mapped">At least <see cref="MaxLength"/> characters.</param>
    public static int Map(ReadOnlySpan<char> text, Span<char> mapped)
    {
        var written = 0;
        Span<byte> utf8 = stackalloc byte[4];
        while (!text.IsEmpty)
        {
            if (text[0] < 0x80)
            {
                mapped[written++] = CharOfByte[text[0]];
                text = text[1..];
                continue;
            }

            Rune.DecodeFromUtf16(text, out var rune, out var consumed);
            text = text[consumed..];
            foreach (var value in utf8[..rune.EncodeToUtf8(utf8)])
                mapped[written++] = CharOfByte[value];
        }

        return written;
    }

    private static char[] BuildChars()
    {
        var chars = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
        {
            var printable = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            chars[value] = (char)(printable ? value : next++);
        }

        return chars;
    }

    private static short[] BuildBytes()
    {
        var bytes = new short[CharOfByte.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (var value = 0; value < 256; value++)
            bytes[CharOfByte[value]] = (short)value;
        return bytes;
    }
}
