using System.Globalization;
using System.Text;
using Spectre.Console;

namespace Steer.Cli;

/// <summary>
/// The three streams of a run and what is known of them. Results go to <see cref="Output"/> and nothing else does;
/// everything meant for a person who watches goes to <see cref="Error"/>.
/// </summary>
internal sealed class Terminal : IDisposable
{
    private const int NarrowestWidth = 20;
    private const int NoWindow = 10_000;
    private readonly Lazy<IAnsiConsole> _display;

    public Terminal(Stream input, Stream output, Stream error)
    {
        Input = input;
        Output = output;
        Error = new StreamWriter(error, Utf8, bufferSize: 1024, leaveOpen: true) { AutoFlush = true, NewLine = "\n" };
        _display = new Lazy<IAnsiConsole>(() => CreateConsole(Error, ErrorIsTerminal));
    }

    /// <summary>UTF-8 without a byte order mark.</summary>
    public static Encoding Utf8 { get; } = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

    public Stream Input { get; }

    /// <summary>False where a person types.</summary>
    public bool InputIsRedirected { get; init; } = true;

    public Stream Output { get; }

    public bool OutputIsTerminal { get; init; }

    public StreamWriter Error { get; }

    public bool ErrorIsTerminal { get; init; }

    /// <summary>Columns to fill.</summary>
    public int Width { get; init; } = 80;

    /// <summary>Draws on the error stream.</summary>
    public IAnsiConsole Display => _display.Value;

    /// <summary>Columns of the window: COLUMNS where it is set, else what <paramref name="ask"/> says, else 80.</summary>
    public static int FindWidth(Func<int> ask)
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), NumberStyles.None, CultureInfo.InvariantCulture, out int columns)
            && columns >= NarrowestWidth)
            return columns;
        try
        {
            int width = ask();
            return width >= NarrowestWidth ? width : 80;
        }
        catch (IOException)
        {
            return 80;
        }
    }

    /// <summary>Draws tables on the output stream.</summary>
    public void WriteOutput(Action<IAnsiConsole> draw)
    {
        using var writer = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        var console = CreateConsole(writer, OutputIsTerminal);

        // What reads a pipe or a file has no window, and a path that is broken into lines is none.
        if (!OutputIsTerminal)
            console.Profile.Width = NoWindow;
        draw(console);
        WriteOutput(writer.ToString());
    }

    /// <summary>Writes text to the output stream.</summary>
    public void WriteOutput(string text)
    {
        // A table pads its last column; on a page that only adds spaces which nobody asked for.
        string trimmed = string.Join('\n', text.Split('\n').Select(line => line.TrimEnd(' ')));
        using var result = Steer.Cli.Output.ResultStream.ToStandardOutput(this);
        result.Write(Utf8.GetBytes(trimmed));
    }

    public void Dispose()
    {
        Error.Dispose();
        Output.Dispose();
    }

    private IAnsiConsole CreateConsole(TextWriter writer, bool isTerminal)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        console.Profile.Width = Width;
        console.Profile.Capabilities.Unicode = true;
        return console;
    }
}
