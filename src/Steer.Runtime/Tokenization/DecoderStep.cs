using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// One step from token strings to text, written as a stream so that decoding a whole list and decoding token by token are the same code.
/// A step holds back only what later tokens can still change. It has state: each stream makes its own steps.
/// </summary>
internal abstract class DecoderStep(DecoderStep next)
{
    /// <summary>Where this step's output goes.</summary>
    protected DecoderStep Next { get; } = next;

    /// <summary>Takes a part of a token's text; <paramref name="endOfToken"/> says that the token is complete with it.</summary>
    public abstract void Push(ReadOnlySpan<char> text, bool endOfToken);

    /// <summary>Says that no token follows.</summary>
    public virtual void Flush() => Next.Flush();
}

/// <summary>A step that needs a token as a whole.</summary>
internal abstract class WholeTokenStep(DecoderStep next) : DecoderStep(next)
{
    private readonly StringBuilder _token = new();

    /// <inheritdoc/>
    public override void Push(ReadOnlySpan<char> text, bool endOfToken)
    {
        if (!endOfToken)
        {
            _token.Append(text);
            return;
        }

        if (_token.Length == 0)
        {
            PushToken(text);
            return;
        }

        var token = _token.Append(text).ToString();
        _token.Clear();
        PushToken(token);
    }

    /// <summary>Takes a whole token.</summary>
    protected abstract void PushToken(ReadOnlySpan<char> token);
}

/// <summary>The last step: collects the text.</summary>
internal sealed class TextCollector() : DecoderStep(null!)
{
    private readonly StringBuilder _text = new();
    private int _left;

    /// <summary>Leaves out the first <paramref name="count"/> characters of what is still to come.</summary>
    public void LeaveOut(int count) => _left = count;

    /// <inheritdoc/>
    public override void Push(ReadOnlySpan<char> text, bool endOfToken)
    {
        int left = Math.Min(_left, text.Length);
        _left -= left;
        _text.Append(text[left..]);
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <summary>The text since the last call.</summary>
    public string Take()
    {
        if (_text.Length == 0)
            return "";
        var text = _text.ToString();
        _text.Clear();
        return text;
    }

    /// <summary>Moves the text since the last call to the end of another.</summary>
    public void MoveTo(StringBuilder text)
    {
        text.Append(_text);
        _text.Clear();
    }
}

/// <summary>A decoder step as a file describes it; makes the steps of each stream. Its ToString describes it fully.</summary>
internal abstract record DecoderSpec
{
    /// <summary>Makes a step that feeds <paramref name="next"/>.</summary>
    public abstract DecoderStep Create(DecoderStep next);
}
