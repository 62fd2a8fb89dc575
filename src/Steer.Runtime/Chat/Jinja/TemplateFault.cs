namespace Steer.Runtime.Chat.Jinja;

/// <summary>A template is wrong, or refuses what it is given. Turned into a <see cref="SteerException"/> that names the template's file.</summary>
/// <param name="message">What is wrong, with no full stop.</param>
/// <param name="line">Line of the template, from 1; 0 where it is not known yet.</param>
internal sealed class TemplateFault(string message, int line = 0) : Exception(message)
{
    public int Line { get; private set; } = line;

    /// <summary>The template itself raised it, for the user to read.</summary>
    public bool IsRaised { get; init; }

    /// <summary>Names the line where none is named. Always false: for an exception filter, which the innermost node runs first.</summary>
    public bool At(int line)
    {
        if (Line == 0)
            Line = line;
        return false;
    }
}
