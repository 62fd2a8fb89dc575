using Steer.Runtime;

namespace Steer.Cli.Output;

/// <summary>Where results go. Each is handed on at once, so that nothing written is lost by what comes later.</summary>
internal sealed class ResultStream : IDisposable
{
    // Linux and macOS.
    private const int BrokenPipe = 32;

    private readonly Stream _stream;
    private readonly string? _path;
    private readonly bool _created;
    private bool _written;

    private ResultStream(Stream stream, string? path, bool created)
    {
        _stream = stream;
        _path = path;
        _created = created;
    }

    /// <exception cref="SteerException">Standard output is closed.</exception>
    public static ResultStream ToStandardOutput(Terminal terminal) => terminal.Output.CanWrite
        ? new(terminal.Output, null, created: false)
        : throw new SteerException("Standard output is closed: leave it open, or send it to a file.");

    /// <summary>Opens a file to see that it can be written; what it holds is kept until the first result replaces it.</summary>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public static ResultStream ToFile(string path)
    {
        try
        {
            bool exists = File.Exists(path);
            return new ResultStream(new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, bufferSize: 0), path, !exists);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Unwritable(path, e);
        }
    }

    /// <summary>Writes and hands on.</summary>
    /// <exception cref="SteerException">The disk is full, or the like.</exception>
    /// <exception cref="ReaderLeftException">Standard output is a pipe and nobody reads it.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            // A device such as /dev/null is empty, and has no length to set.
            if (!_written && _path is not null && _stream is { CanSeek: true, Length: > 0 })
                _stream.SetLength(0);
            _written = true;
            _stream.Write(bytes);
            _stream.Flush();
        }
        catch (IOException e) when (_path is null && e.HResult == BrokenPipe)
        {
            throw new ReaderLeftException(e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(_path ?? "standard output", e);
        }
    }

    public void Dispose()
    {
        if (_path is null)
            return;
        _stream.Dispose();
        if (_created && !_written)
            File.Delete(_path);
    }

    private static SteerException Unwritable(string path, Exception cause) =>
        SteerException.Unwritable(path, cause, "Give another file, or make room.");
}
