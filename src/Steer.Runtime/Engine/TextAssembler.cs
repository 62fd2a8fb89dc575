using System.Text;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Engine;

/// <summary>Turns tokens that follow a prompt into text as they come, and looks for stop texts.</summary>
internal sealed class TextAssembler(Tokenizer tokenizer, IReadOnlyList<int> prompt, IReadOnlyList<string> stops)
{
    private readonly DetokenizerStream _stream = tokenizer.CreateStream(skipSpecialTokens: true, [.. prompt]);
    private readonly StringBuilder _text = new();
    private readonly int _longestStop = stops.Count == 0 ? 0 : stops.Max(s => s.Length);
    private int _released;

    /// <summary>The text so far; cut before a stop text once one was found.</summary>
    public string Text => _text.ToString();

    /// <summary>Adds a token. True where a stop text is now complete: it and all after it are cut off.</summary>
    public bool Append(int token)
    {
        int before = _text.Length;
        _stream.Append(token, _text);
        return CutAtStop(before);
    }

    /// <summary>Ends the text: bytes that never became a character are shown as the tokenizer shows them. True as for <see cref="Append"/>.</summary>
    public bool Flush()
    {
        int before = _text.Length;
        _text.Append(_stream.Flush());
        return CutAtStop(before);
    }

    /// <summary>Text that is certain and was not released before; what may be the beginning of a stop text is held back until the end.</summary>
    public string Release(bool final)
    {
        int certain = final ? _text.Length : Math.Max(_released, _text.Length - Math.Max(0, _longestStop - 1));
        if (certain < _text.Length && certain > 0 && char.IsHighSurrogate(_text[certain - 1]))
            certain = Math.Max(_released, certain - 1);
        string piece = certain == _released ? "" : _text.ToString(_released, certain - _released);
        _released = certain;
        return piece;
    }

    /// <summary>Looks for a stop text that ends in what was added after the first <paramref name="before"/> characters.</summary>
    private bool CutAtStop(int before)
    {
        if (_longestStop == 0 || _text.Length == before)
            return false;
        int from = Math.Max(0, before - _longestStop + 1);
        string tail = _text.ToString(from, _text.Length - from);
        int cut = -1;
        foreach (string stop in stops)
        {
            int at = tail.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (cut < 0 || at < cut))
                cut = at;
        }

        if (cut < 0)
            return false;
        _text.Length = from + cut;
        return true;
    }
}
