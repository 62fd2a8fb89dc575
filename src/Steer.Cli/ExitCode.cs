namespace Steer.Cli;

/// <summary>What the program tells its caller.</summary>
internal static class ExitCode
{
    /// <summary>All is done.</summary>
    public const int Ok = 0;

    /// <summary>A fault of the program itself.</summary>
    public const int Internal = 1;

    /// <summary>Something that the user can mend: an option, a file, a device.</summary>
    public const int User = 2;

    /// <summary>Ctrl+C; 128 + SIGINT as shells count.</summary>
    public const int Interrupted = 130;

    /// <summary>128 + SIGTERM.</summary>
    public const int Terminated = 143;
}
