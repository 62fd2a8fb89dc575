using System.Buffers;

namespace Steer.Runtime.Datasets;

/// <summary>A file of lines that only grows, in groups that are on disk before they count.</summary>
/// <param name="path">A file that need not exist.</param>
internal sealed class LineAppender(string path) : IDisposable
{
    private FileStream? _stream;

    public string Path { get; } = path;

    /// <summary>Lines that are not on disk yet.</summary>
    public ArrayBufferWriter<byte> Gathered { get; } = new();

    /// <summary>Cuts the file to a length and opens it at its end.</summary>
    public void OpenAt(long length)
    {
        _stream = new FileStream(Path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, bufferSize: 0);
        if (_stream.Length != length)
            _stream.SetLength(length);
        _stream.Seek(0, SeekOrigin.End);
    }

    /// <summary>Writes the gathered lines and waits until the disk has them.</summary>
    public void Commit()
    {
        _stream!.Write(Gathered.WrittenSpan);
        _stream.Flush(flushToDisk: true);
        Gathered.ResetWrittenCount();
    }

    public void Dispose() => _stream?.Dispose();
}
