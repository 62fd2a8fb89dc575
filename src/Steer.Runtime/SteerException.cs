namespace Steer.Runtime;

/// <summary>
/// Something outside the program is wrong: a file, an option, a request. The message is one line that names it and says what to do;
/// the command line prints it and exits with code 2.
/// </summary>
public sealed class SteerException : Exception
{
    /// <summary>Makes an exception with a one-line message.</summary>
    public SteerException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a one-line message and its cause.</summary>
    public SteerException(string message, Exception inner)
        : base(message, inner)
    {
    }

    /// <summary>A file cannot be read: names it and the cause, and says what to give instead.</summary>
    public static SteerException Unreadable(string path, Exception cause, string advice) =>
        new($"{path}: cannot be read ({Reason(path, cause, "file")}). {advice}", cause);

    /// <summary>A file or folder cannot be written, likewise.</summary>
    public static SteerException Unwritable(string path, Exception cause, string advice) =>
        new($"{path}: cannot be written ({Reason(path, cause, "folder")}). {advice}", cause);

    /// <summary>Refuses a file where a folder is to be written.</summary>
    /// <exception cref="SteerException">It is a file.</exception>
    public static void ThrowIfFile(string folder)
    {
        if (File.Exists(folder))
            throw new SteerException($"{folder}: is a file. Give a folder; it is made where it is missing.");
    }

    private static string Reason(string path, Exception cause, string missing) => cause switch
    {
        FileNotFoundException or DirectoryNotFoundException => "there is no such " + missing,
        UnauthorizedAccessException when Directory.Exists(path) => "it is a folder",
        ArgumentException when path.Length == 0 => "the name is empty",
        _ => WithoutPath(cause.Message.ReplaceLineEndings(" ")).TrimEnd('.'),
    };

    /// <summary>.NET adds the path to a few of the system's messages, in its full form; the line names it already.</summary>
    private static string WithoutPath(string message) =>
        message.LastIndexOf(" : '", StringComparison.Ordinal) is > 0 and var at && message.EndsWith('\'') ? message[..at] : message;
}
