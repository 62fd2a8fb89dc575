namespace Steer.Runtime.Checkpoints;

/// <summary>A file that gets its name when it is finished; one that is not is removed.</summary>
internal sealed class PartialFile : IDisposable
{
    private readonly string _path;
    private readonly FileStream _stream;
    private bool _ended;

    /// <summary>Begins a file beside its place.</summary>
    /// <exception cref="SteerException">The file cannot be written, or is a device, whose place no file may take.</exception>
    public PartialFile(string path)
    {
        _path = path;
        try
        {
            RefuseDevice(path);
            _stream = new FileStream(path + ".partial", FileMode.Create, FileAccess.Write);
        }
        catch (Exception e) when (IsUnwritable(e))
        {
            throw Unwritable(e);
        }
    }

    /// <summary>What is written.</summary>
    public Stream Stream => _stream;

    /// <summary>Whether an error is one of writing, to be told as <see cref="Unwritable"/>.</summary>
    public static bool IsUnwritable(Exception e) => e is IOException or UnauthorizedAccessException or NotSupportedException;

    /// <summary>The line for an error of writing.</summary>
    public SteerException Unwritable(Exception e) => SteerException.Unwritable(_path, e, "Check the folder, its rights and the space left.");

    /// <summary>Writes what stands at the beginning; the file is removed where that fails.</summary>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public void Begin(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e)
        {
            Dispose();
            if (IsUnwritable(e))
                throw Unwritable(e);
            throw;
        }
    }

    /// <summary>Gives the file its name.</summary>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public void Finish()
    {
        try
        {
            _stream.Dispose();
            File.Move(_stream.Name, _path, overwrite: true);
            _ended = true;
        }
        catch (Exception e) when (IsUnwritable(e))
        {
            throw Unwritable(e);
        }
    }

    /// <summary>Closes the file, and removes it unless it is finished.</summary>
    public void Dispose()
    {
        if (_ended)
            return;
        _ended = true;
        try
        {
            // Deleted also where closing fails to write what is left.
            try
            {
                _stream.Dispose();
            }
            finally
            {
                File.Delete(_stream.Name);
            }
        }
        catch (Exception e) when (IsUnwritable(e))
        {
            // A disk that is full or gone has already been told of by the write that failed.
        }
    }

    // Only a file has a length that can be set.
    private static void RefuseDevice(string path)
    {
        if (!File.Exists(path))
            return;
        using var old = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        old.SetLength(old.Length);
    }
}
