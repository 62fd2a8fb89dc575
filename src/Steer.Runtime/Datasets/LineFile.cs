namespace Steer.Runtime.Datasets;

/// <summary>Reads a file of lines one by one, and knows where each lies, so that what follows the last good one can be cut off.</summary>
internal sealed class LineFile : IDisposable
{
    private readonly FileStream? _stream;
    private byte[] _buffer = new byte[1 << 16];
    private int _begin;
    private int _length;
    private int _filled;
    private bool _atEnd;

    /// <param name="path">A file that need not exist.</param>
    public LineFile(string path)
    {
        Path = path;
        _stream = File.Exists(path) ? GitLfs.OpenRead(path, FileShare.ReadWrite) : null;
    }

    public string Path { get; }

    /// <summary>Which line it is, from 1.</summary>
    public int Number { get; private set; }

    /// <summary>Where the line begins.</summary>
    public long Start { get; private set; }

    /// <summary>The line without its end.</summary>
    public ReadOnlySpan<byte> Line => _buffer.AsSpan(_begin, _length);

    /// <summary>
    /// Goes to the next line that has an end. A last line without one was torn off by a crash, as were the zeros that some file systems leave
    /// behind: neither is a line.
    /// </summary>
    /// <returns>False where there is none; <see cref="Start"/> is then the end of the last line.</returns>
    public bool Next()
    {
        if (Number > 0 && !_atEnd)
            Skip(_length + 1);
        int searched = 0;
        while (!_atEnd)
        {
            int found = _buffer.AsSpan(_begin + searched, _filled - _begin - searched).IndexOf((byte)'\n');
            if (found >= 0)
            {
                _length = searched + found;
                Number++;
                return true;
            }

            searched = _filled - _begin;
            _atEnd = !Fill();
        }

        _length = 0;
        return false;
    }

    public void Dispose() => _stream?.Dispose();

    private void Skip(int bytes)
    {
        Start += bytes;
        _begin += bytes;
    }

    private bool Fill()
    {
        if (_begin > 0)
        {
            _buffer.AsSpan(_begin, _filled - _begin).CopyTo(_buffer);
            (_filled, _begin) = (_filled - _begin, 0);
        }

        if (_filled == _buffer.Length)
            Array.Resize(ref _buffer, _buffer.Length * 2);
        int read = _stream?.Read(_buffer, _filled, _buffer.Length - _filled) ?? 0;
        _filled += read;
        return read > 0;
    }
}
