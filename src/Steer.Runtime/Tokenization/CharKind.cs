using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>What the patterns that split text into words ask of a character.</summary>
internal enum CharKind : byte
{
    /// <summary>None of the others: punctuation, symbols, marks, controls.</summary>
    Other,

    /// <summary>General category L.</summary>
    Letter,

    /// <summary>General category N.</summary>
    Number,

    /// <summary>Property White_Space.</summary>
    Space,
}

/// <summary>Kinds of characters, beyond the basic plane too, by a table that is made once.</summary>
internal static class CharKinds
{
    private static readonly CharKind[] Table = Enumerable.Range(0, 0x10000).Select(c => Classify((char)c)).ToArray();

    /// <summary>The kind of the character at <paramref name="at"/>, and how many UTF-16 units it has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CharKind At(ReadOnlySpan<char> text, int at, out int width)
    {
        width = 1;
        var c = text[at];
        return char.IsSurrogate(c) ? AtPair(text[at..], out width) : Table[c];
    }

    /// <summary>Length of the run of characters of one kind at the start of a text.</summary>
    public static int Run(ReadOnlySpan<char> text, CharKind kind)
    {
        var at = 0;
        while (at < text.Length && At(text, at, out var width) == kind)
            at += width;
        return at;
    }

    private static CharKind AtPair(ReadOnlySpan<char> text, out int width)
    {
        Rune.DecodeFromUtf16(text, out var rune, out width);
        return OfCategory(Rune.GetUnicodeCategory(rune));
    }

    private static CharKind Classify(char c) => char.IsWhiteSpace(c) ? CharKind.Space : OfCategory(CharUnicodeInfo.GetUnicodeCategory(c));

    private static CharKind OfCategory(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter
            or UnicodeCategory.OtherLetter => CharKind.Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharKind.Number,
        _ => CharKind.Other,
    };
}
