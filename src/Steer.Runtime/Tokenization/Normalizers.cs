using System.Globalization;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>A step that changes a text before it is split. Its ToString describes it fully.</summary>
internal abstract record Normalizer
{
    /// <summary>The changed text; given and returned well-formed.</summary>
    /// <exception cref="InvalidDataException">It would be absurdly longer than the text.</exception>
    public abstract string Apply(string text);

    /// <summary>Stops replacements that feed each other: compatibility forms make at most 18 characters of one, and prefixes are short.</summary>
    protected static void CheckGrowth(int before, int after)
    {
        if (after > (24L * before) + 64)
            throw new InvalidDataException($"it makes more than {24L * before + 64} characters of {before}");
    }
}

/// <summary>Several steps, one after the other.</summary>
internal sealed record SequenceNormalizer(IReadOnlyList<Normalizer> Steps) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        var current = text;
        foreach (var step in Steps)
        {
            current = step.Apply(current);
            CheckGrowth(text.Length, current.Length);
        }

        return current;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Join(" > ", Steps);
}

/// <summary>A Unicode normalisation form.</summary>
internal sealed record UnicodeNormalizer(NormalizationForm Form) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text) =>
        // No character below U+0300 composes; none below U+0080 changes in any form.
        Ascii.IsValid(text) || (Form == NormalizationForm.FormC && !text.AsSpan().ContainsAnyExceptInRange('\0', '\u02FF'))
            ? text
            : text.Normalize(Form);

    /// <summary>Whether this process can normalise: without ICU .NET gives every text back as it was.</summary>
    public static bool IsAvailable { get; } = "\u00E9".Normalize(NormalizationForm.FormD).Length == 2;
}

/// <summary>Lower case, character by character.</summary>
internal sealed record LowercaseNormalizer : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text) =>
        // The only character whose lower case is two characters.
        text.Replace("\u0130", "i\u0307", StringComparison.Ordinal).ToLowerInvariant();
}

/// <summary>Puts a text before one that is not empty.</summary>
internal sealed record PrependNormalizer(string Text) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        CheckGrowth(text.Length, text.Length + Text.Length);
        return text.Length == 0 ? text : Text + text;
    }
}

/// <summary>Writes one text for each match of a pattern.</summary>
internal sealed record ReplaceNormalizer(SplitPattern Pattern, string Content) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        var pieces = new List<SplitPiece>();
        Pattern.Cut(text, pieces);
        var replaced = new StringBuilder(text.Length);
        foreach (var (start, end, isMatch) in pieces)
        {
            replaced.Append(isMatch ? Content : text.AsSpan(start..end));
            CheckGrowth(text.Length, replaced.Length);
        }

        return replaced.ToString();
    }
}

/// <summary>Writes one character for another, which is what most Replace steps are.</summary>
internal sealed record ReplaceCharNormalizer(char From, char To) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text) => text.Replace(From, To);
}

/// <summary>Removes white space at the ends.</summary>
internal sealed record StripNormalizer(bool Left, bool Right) : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        if (Left)
            text = text.TrimStart();
        return Right ? text.TrimEnd() : text;
    }
}

/// <summary>Removes marks (general category M).</summary>
internal sealed record StripAccentsNormalizer : Normalizer
{
    /// <inheritdoc/>
    public override string Apply(string text)
    {
        if (Ascii.IsValid(text))
            return text;
        var kept = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            bool isMark = Rune.GetUnicodeCategory(rune)
                is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;
            if (!isMark)
                kept.Append(rune);
        }

        return kept.ToString();
    }
}

/// <summary>
/// SentencePiece's compiled table of replacements, as tokenizer.json applies it: to a whole grapheme if it is short, else to each character.
/// </summary>
internal sealed record PrecompiledNormalizer(PrecompiledCharsMap Map) : Normalizer
{
    /// <summary>UTF-8 bytes of the longest grapheme that is looked up whole.</summary>
    private const int LongestGrapheme = 5;

    /// <inheritdoc/>
    public override string Apply(string text)
    {
        var written = new StringBuilder(text.Length);
        for (var rest = text.AsSpan(); !rest.IsEmpty;)
        {
            var grapheme = rest[..StringInfo.GetNextTextElementLength(rest)];
            rest = rest[grapheme.Length..];
            if (Encoding.UTF8.GetByteCount(grapheme) <= LongestGrapheme && Map.Shortest(grapheme) is { } whole)
            {
                written.Append(whole);
                CheckGrowth(text.Length, written.Length);
                continue;
            }

            foreach (var rune in grapheme.EnumerateRunes())
            {
                if (Map.Shortest(rune.ToString()) is { } replaced)
                    written.Append(replaced);
                else
                    written.Append(rune);
            }

            CheckGrowth(text.Length, written.Length);
        }

        return written.ToString();
    }
}
