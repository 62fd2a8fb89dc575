using System.Runtime.CompilerServices;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>
/// What one rendering may use. Templates come with models and may be made to harm: without bounds one of a hundred bytes fills the memory.
/// </summary>
internal sealed class Budget
{
    /// <summary>Most nodes evaluated and items made; a conversation of a thousand messages takes a hundred thousand.</summary>
    public const int MaxSteps = 5_000_000;

    /// <summary>Longest text, in chars: four million tokens or so.</summary>
    public const int MaxText = 1 << 24;

    /// <summary>Most chars of all texts that are made on the way.</summary>
    public const long MaxTotalText = 1L << 27;

    /// <summary>Deepest nesting of expressions, statements and macros under evaluation, and of values within values.</summary>
    public const int MaxDepth = 800;

    private long _steps;
    private long _text;
    private int _depth;

    /// <summary>Counts work or items.</summary>
    public void Step(long count = 1)
    {
        _steps += count;
        if (_steps > MaxSteps)
            throw new TemplateFault($"takes more than {MaxSteps} steps");
    }

    /// <summary>Counts a text before it is made.</summary>
    public void Text(long length)
    {
        _text += length;
        Step(1 + length / 256);
        if (length > MaxText || _text > MaxTotalText)
            throw TooLong();
    }

    /// <summary>Refuses a text under way that is too long already; what is not is counted when it is made.</summary>
    public static void Bound(long length)
    {
        if (length > MaxText)
            throw TooLong();
    }

    /// <summary>Counts a look at each char of a text, which makes nothing.</summary>
    public void Scan(int length) => Step(1 + length / 256);

    /// <summary>Counts a search, which in texts that repeat themselves compares the part at each place.</summary>
    public void Search(string text, string part) => Step(1 + text.Length / 256 + ((long)text.Length * part.Length >> 14));

    /// <summary>Counts a look at all of a value if it is a text, as finding it among keys takes.</summary>
    public void Look(object? value)
    {
        if (value is string text)
            Scan(text.Length);
    }

    /// <summary>Counts a text that was made.</summary>
    public string Made(string text)
    {
        Text(text.Length);
        return text;
    }

    public void Enter()
    {
        if (++_depth > MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new TemplateFault("nests too deep");
    }

    public void Leave() => _depth--;

    private static TemplateFault TooLong() => new($"makes too much text (at most {MaxText} characters at once)");
}
