namespace Steer.Runtime.Tokenization;

/// <summary>
/// A step between normalised text and the model: cuts a text into pieces and hands each to the next step, the last of which is the model.
/// Steps hold no state. Their ToString describes the whole chain.
/// </summary>
internal abstract class TextStep
{
    /// <summary>Takes a text, or a piece of one, that is not empty.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="atStart">The piece begins where the whole text begins.</param>
    /// <param name="into">Where the model appends ids.</param>
    public abstract void Add(ReadOnlySpan<char> text, bool atStart, List<int> into);
}

/// <summary>Splits by a pattern.</summary>
internal sealed class SplitStep(SplitPattern pattern, SplitBehavior behavior, bool invert, TextStep next) : TextStep
{
    /// <inheritdoc/>
    public override void Add(ReadOnlySpan<char> text, bool atStart, List<int> into)
    {
        var pieces = new List<SplitPiece>();
        pattern.Cut(text, pieces);
        if (invert)
        {
            for (var i = 0; i < pieces.Count; i++)
                pieces[i] = pieces[i] with { IsMatch = !pieces[i].IsMatch };
        }

        SplitPattern.Arrange(pieces, behavior);
        foreach (var (start, end, _) in pieces)
        {
            if (end > start)
                next.Add(text[start..end], atStart && start == 0, into);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"Split({pattern}, {behavior}{(invert ? ", inverted" : "")}) > {next}";
}

/// <summary>Splits into words by a hand-written matcher.</summary>
internal sealed class WordStep(WordSplitter splitter, TextStep next) : TextStep
{
    /// <inheritdoc/>
    public override void Add(ReadOnlySpan<char> text, bool atStart, List<int> into)
    {
        while (!text.IsEmpty)
        {
            var length = splitter.Match(text);
            next.Add(text[..length], atStart, into);
            text = text[length..];
            atStart = false;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"Split(/{splitter}/, Isolated) > {next}";
}

/// <summary>Splits runs of numbers (general category N), or each number character, from the rest.</summary>
internal sealed class DigitsStep(bool individual, TextStep next) : TextStep
{
    /// <inheritdoc/>
    public override void Add(ReadOnlySpan<char> text, bool atStart, List<int> into)
    {
        var start = 0;
        while (start < text.Length)
        {
            var isNumber = CharKinds.At(text, start, out var width) == CharKind.Number;
            var end = start + width;
            while (end < text.Length && !(isNumber && individual) && CharKinds.At(text, end, out width) == CharKind.Number == isNumber)
                end += width;
            next.Add(text[start..end], atStart && start == 0, into);
            start = end;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"Digits({(individual ? "individual" : "runs")}) > {next}";
}

/// <summary>Puts a space before each piece that does not begin with one.</summary>
internal sealed class PrefixSpaceStep(TextStep next) : TextStep
{
    /// <inheritdoc/>
    public override void Add(ReadOnlySpan<char> text, bool atStart, List<int> into) =>
        next.Add(text[0] == ' ' ? text : string.Concat(" ", text), atStart, into);

    /// <inheritdoc/>
    public override string ToString() => $"PrefixSpace > {next}";
}

/// <summary>Writes each piece in GPT-2's byte alphabet. The model does it itself where this step would be the last.</summary>
internal sealed class ByteAlphabetStep(TextStep next) : TextStep
{
    /// <inheritdoc/>
    public override void Add(ReadOnlySpan<char> text, bool atStart, List<int> into)
    {
        var mapped = new char[ByteAlphabet.MaxLength(text.Length)];
        var length = ByteAlphabet.Map(text, mapped);
        next.Add(mapped.AsSpan(0, length), atStart, into);
    }

    /// <inheritdoc/>
    public override string ToString() => $"ByteAlphabet > {next}";
}

/// <summary>Where Metaspace puts its mark before a text that does not begin with a space.</summary>
internal enum PrependScheme
{
    /// <summary>Before each piece.</summary>
    Always,

    /// <summary>Before the piece that begins the whole text.</summary>
    First,

    /// <summary>Nowhere.</summary>
    Never,
}

/// <summary>SentencePiece's white space: writes '▁' for a space and, where asked, begins a piece at each.</summary>
internal sealed class MetaspaceStep(char mark, PrependScheme prepend, bool split, TextStep next) : TextStep
{
    /// <inheritdoc/>
    public override void Add(ReadOnlySpan<char> text, bool atStart, List<int> into)
    {
        var marked = prepend == PrependScheme.Always || (prepend == PrependScheme.First && atStart);
        var prefix = marked && text[0] != ' ' && text[0] != mark ? 1 : 0;
        Span<char> written = new char[prefix + text.Length];
        written[0] = mark;
        text.Replace(written[prefix..], ' ', mark);
        if (!split)
        {
            next.Add(written, atStart, into);
            return;
        }

        while (!written.IsEmpty)
        {
            var end = written[1..].IndexOf(mark) + 1;
            var word = end > 0 ? written[..end] : written;
            next.Add(word, atStart, into);
            written = written[word.Length..];
            atStart = false;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"Metaspace({mark}, {prepend}{(split ? ", split" : "")}) > {next}";
}
