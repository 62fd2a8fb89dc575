using System.Buffers;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;

namespace Steer.Runtime.Datasets;

/// <summary>
/// The words of a text as comparisons see it: compatibility forms folded (NFKC), lower case, runs of letters and digits. Scripts without
/// spaces give a word for each character. Words, not the model's tokens, so that jobs of different models can be compared and merged.
/// </summary>
internal static class TextWords
{
    /// <summary>CJK radicals: the first of the scripts that put no spaces between words.</summary>
    private const char FirstUnspaced = '\u2e80';

    /// <summary>
    /// Characters that stand between words and that no composition joins to what follows, so that a text's words are those of its parts: what is not
    /// a letter or digit in ASCII, but for those that a stroke (U+0338) makes a negated sign of.
    /// </summary>
    public static readonly SearchValues<char> Separators = SearchValues.Create(
        [.. Enumerable.Range(0, 128).Select(c => (char)c).Where(c => !char.IsAsciiLetterOrDigit(c) && c is not ('<' or '=' or '>'))]);

    /// <summary>A 64-bit hash of each word, in order.</summary>
    public static ulong[] Of(string text)
    {
        if (!Ascii.IsValid(text))
            text = text.Normalize(NormalizationForm.FormKC);
        var words = new List<ulong>(text.Length / 5);
        Span<char> word = stackalloc char[64];
        int length = 0;
        foreach (char c in text)
        {
            bool part = char.IsLetterOrDigit(c) || char.IsSurrogate(c)
                || char.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.NonSpacingMark;
            bool alone = c >= FirstUnspaced && part && !char.IsSurrogate(c);
            if ((!part || alone || length == word.Length) && length > 0)
            {
                words.Add(Hash(word[..length]));
                length = 0;
            }

            if (part)
                word[length++] = char.ToLowerInvariant(c);
        }

        if (length > 0)
            words.Add(Hash(word[..length]));
        return [.. words];
    }

    private static ulong Hash(ReadOnlySpan<char> word) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(word));
}
