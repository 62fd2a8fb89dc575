using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Turns tokens into text as they come. Never gives half a character: bytes of an unfinished one wait for the tokens that finish it.
/// All texts given, joined, are what <see cref="Tokenizer.Decode"/> gives. Not safe for several threads at once.
/// </summary>
public sealed class DetokenizerStream
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly TextCollector _text = new();
    private readonly DecoderStep _first;

    internal DetokenizerStream(Tokenizer tokenizer, bool skipSpecialTokens, ReadOnlySpan<int> context)
    {
        _tokenizer = tokenizer;
        _skipSpecialTokens = skipSpecialTokens;
        _first = tokenizer.CreateDecoder(_text);
        if (context.IsEmpty)
            return;
        foreach (var id in context)
            Push(id);

        // Characters of the context that wait for what follows are its own too; only one that it leaves unfinished belongs to what finishes it.
        var given = _text.Take().Length;
        _text.LeaveOut(tokenizer.Decode(context, skipSpecialTokens)[given..].TrimEnd('\uFFFD').Length);
    }

    /// <summary>Takes one token and gives the text that is certain by now, often empty. An id with no token gives nothing.</summary>
    public string Append(int id)
    {
        Push(id);
        return _text.Take();
    }

    /// <summary>As the other, to the end of <paramref name="text"/>.</summary>
    internal void Append(int id, StringBuilder text)
    {
        Push(id);
        _text.MoveTo(text);
    }

    /// <summary>Ends the stream and gives what was held back, with U+FFFD for bytes that never became a character.</summary>
    public string Flush()
    {
        _first.Flush();
        return _text.Take();
    }

    internal void Push(int id)
    {
        if (_tokenizer.TokenOf(id) is { } token && !(_skipSpecialTokens && _tokenizer.SpecialIds.Contains(id)))
            _first.Push(token, endOfToken: true);
    }
}
