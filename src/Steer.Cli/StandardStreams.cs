using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Steer.Cli;

/// <summary>Opens the streams that the process was given.</summary>
internal static partial class StandardStreams
{
    private const int GetDescriptorFlags = 1;
    private const int CloseOnExec = 1;

    /// <summary>The terminal of this process. Streams that its caller closed are empty, swallow what is written, or refuse it.</summary>
    public static Terminal Open()
    {
        bool outputIsTerminal = !Console.IsOutputRedirected, errorIsTerminal = !Console.IsErrorRedirected;
        if (OperatingSystem.IsWindows() && (outputIsTerminal || errorIsTerminal))
            Console.OutputEncoding = Terminal.Utf8;
        Stream output = IsOpen(1) ? OpenOutput() : new MemoryStream([], writable: false);
        return new Terminal(IsOpen(0) ? Console.OpenStandardInput() : Stream.Null, output, IsOpen(2) ? Console.OpenStandardError() : Stream.Null)
        {
            InputIsRedirected = Console.IsInputRedirected,
            OutputIsTerminal = outputIsTerminal,
            ErrorIsTerminal = errorIsTerminal,
            Width = Terminal.FindWidth(() => outputIsTerminal || errorIsTerminal ? Console.WindowWidth : 0),
        };
    }

    /// <summary>
    /// Whether the caller left a standard stream open. Where it did not, the runtime's own pipes have taken its number: who reads there waits for
    /// ever. What the system closes when a program starts cannot have come from the one that started it.
    /// </summary>
    private static bool IsOpen(int descriptor) =>
        OperatingSystem.IsWindows() || (Control(descriptor, GetDescriptorFlags) is >= 0 and var flags && (flags & CloseOnExec) == 0);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command);

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
                // Something that is no pipe, and that a file cannot be made of.
            }
        }

        return Console.OpenStandardOutput();
    }
}
