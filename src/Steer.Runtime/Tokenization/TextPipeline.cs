using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// tokenizer.json's way from text to ids: added tokens are cut out of the text, what is between them is normalised, added tokens that are looked for
/// in normalised text are cut out of that, and the rest goes through the pre-tokenizers to the model.
/// </summary>
internal sealed class TextPipeline(AddedTokenFinder inText, AddedTokenFinder inNormalized, Normalizer? normalizer, TextStep steps) : ITextEncoder
{
    /// <inheritdoc/>
    public void Encode(string text, List<int> into)
    {
        text = WellFormed(text);
        var (from, taken) = (0, 0);
        while (inText.TryFind(text, ref from, taken, out var start, out var end, out var id))
        {
            if (start > taken)
                EncodeBetween(text[taken..start], taken == 0, into);
            into.Add(id);
            taken = end;
        }

        if (taken < text.Length)
            EncodeBetween(text[taken..], taken == 0, into);
    }

    /// <summary>The text with U+FFFD for each half of a surrogate pair that lacks the other.</summary>
    public static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            return text;
        var mended = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            mended.Append(rune);
        return mended.ToString();
    }

    private void EncodeBetween(string text, bool atStart, List<int> into)
    {
        if (normalizer is not null)
            text = normalizer.Apply(text);
        var (from, taken) = (0, 0);
        while (inNormalized.TryFind(text, ref from, taken, out var start, out var end, out var id))
        {
            if (start > taken)
                steps.Add(text.AsSpan(taken..start), atStart && taken == 0, into);
            into.Add(id);
            taken = end;
        }

        if (taken < text.Length)
            steps.Add(text.AsSpan(taken), atStart && taken == 0, into);
    }
}
