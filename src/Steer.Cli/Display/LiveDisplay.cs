using Spectre.Console;
using Spectre.Console.Rendering;

namespace Steer.Cli.Display;

/// <summary>Shows work while it runs: a table that is drawn over and over in a terminal, a plain line now and then elsewhere.</summary>
internal static class LiveDisplay
{
    private static readonly TimeSpan RedrawEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan PlainLineEvery = TimeSpan.FromSeconds(10);

    /// <summary>Shows the progress until the work ends, and throws what the work throws.</summary>
    public static Task WatchAsync(Terminal terminal, bool quiet, Func<IRenderable> table, Func<string> line, Task work)
    {
        if (quiet)
            return work;
        return terminal.ErrorIsTerminal && terminal.Display.Profile.Capabilities.Ansi
            ? terminal.Display.Live(table()).AutoClear(true).StartAsync(live => PollAsync(RedrawEvery, () => live.UpdateTarget(table()), work))
            : PollAsync(PlainLineEvery, () => terminal.Error.WriteLine("steer: " + line()), work);
    }

    /// <summary>A text of a model on one line: its control characters must not reach the terminal.</summary>
    /// <param name="text">The text.</param>
    /// <param name="most">Characters from which it is cut.</param>
    public static string OneLine(string text, int most = 200)
    {
        string line = string.Concat(text.Take(most).Select(c => char.IsControl(c) ? ' ' : c));
        return text.Length > most ? line + "..." : line;
    }

    private static async Task PollAsync(TimeSpan every, Action show, Task work)
    {
        while (await Task.WhenAny(work, Task.Delay(every)).ConfigureAwait(false) != work)
            show();
        await work.ConfigureAwait(false);
    }
}
