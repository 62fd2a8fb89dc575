using System.Globalization;

namespace Steer.Runtime.Tokenization;

/// <summary>The tokens "&lt;0x00&gt;" to "&lt;0xFF&gt;" that spell out characters which have no token.</summary>
internal static class ByteTokens
{
    /// <summary>The ids of the 256 tokens; -1 for one that is missing.</summary>
    public static int[] Find(Vocabulary vocabulary) =>
        Enumerable.Range(0, 256).Select(value => vocabulary.IdOf($"<0x{value:X2}>") ?? -1).ToArray();

    /// <summary>Writes the tokens of a character's bytes and returns how many there are; 0, and nothing, if one is missing.</summary>
    public static int TryWrite(ReadOnlySpan<byte> utf8, ReadOnlySpan<int> idOfByte, Span<Symbol> symbols)
    {
        foreach (var value in utf8)
        {
            if (idOfByte[value] < 0)
                return 0;
        }

        for (var i = 0; i < utf8.Length; i++)
            symbols[i] = new Symbol(0, 0, idOfByte[utf8[i]]);
        return utf8.Length;
    }

    /// <summary>The byte that a token spells, or -1.</summary>
    public static int ByteOf(ReadOnlySpan<char> token) =>
        token.Length == 6 && token.StartsWith("<0x") && token[5] == '>'
        && byte.TryParse(token[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            ? value
            : -1;
}
