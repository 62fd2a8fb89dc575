using Microsoft.Win32.SafeHandles;

namespace Steer.Cli;

/// <summary>Opens the streams that the process was given.</summary>
internal static class StandardStreams
{
    /// <summary>The terminal of this process.</summary>
    public static Terminal Open()
    {
        bool outputIsTerminal = !Console.IsOutputRedirected, errorIsTerminal = !Console.IsErrorRedirected;
        if (OperatingSystem.IsWindows() && (outputIsTerminal || errorIsTerminal))
            Console.OutputEncoding = Terminal.Utf8;
        return new Terminal(Console.OpenStandardInput(), OpenOutput(), Console.OpenStandardError())
        {
            InputIsRedirected = Console.IsInputRedirected,
            OutputIsTerminal = outputIsTerminal,
            ErrorIsTerminal = errorIsTerminal,
            Width = Terminal.FindWidth(() => outputIsTerminal || errorIsTerminal ? Console.WindowWidth : 0),
        };
    }

    /// <summary>
    /// A pipe is opened as a file, because the console's own stream says nothing when its reader has left, and a long run would go on for nobody.
    /// A file keeps the console's stream, which leaves the file's position where the next program expects it.
    /// </summary>
    private static Stream OpenOutput()
    {
        if (!OperatingSystem.IsWindows())
        {
            try
            {
                var pipe = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
                if (!pipe.CanSeek && Console.IsOutputRedirected)
                    return pipe;
            }
            catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
            {
                // Closed by the caller; the console's stream knows how to bear that.
            }
        }

        return Console.OpenStandardOutput();
    }
}
