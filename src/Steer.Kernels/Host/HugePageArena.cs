namespace Steer.Kernels.Host;

/// <summary>
/// Lays buffers of the process that are too small for huge pages of their own side by side on shared ones: the projections of a small model are a
/// megabyte or two each. A chunk hands out its memory from front to back, so that all of it is zero when it is taken, and is given back with the last
/// of its buffers.
/// </summary>
internal static unsafe class HugePageArena
{
    // A buffer that has huge pages of its own, and above what malloc ever takes from its heap instead of asking the system for pages.
    private const long ChunkBytes = 64L << 20;
    private const int CacheLine = 64;

    // Below it a buffer is a few pages, of which the processor remembers the addresses anyway.
    private const long Smallest = 64 << 10;

    private static readonly Lock Gate = new();
    private static Chunk? _open;

    /// <summary>A buffer of this many bytes belongs here: a larger one has huge pages of its own.</summary>
    public static bool TakesIn(long bytes) => bytes >= Smallest && OperatingSystem.IsLinux() && !HugePages.WorthFor(bytes);

    /// <summary>Memory that is zero and begins at a cache line.</summary>
    /// <param name="bytes">How much; at most a chunk, see <see cref="TakesIn"/>.</param>
    /// <param name="data">The memory.</param>
    /// <returns>Whose it is, to be given to <see cref="Return"/>.</returns>
    /// <exception cref="OutOfMemoryException">The process may not have that much.</exception>
    public static Chunk Take(long bytes, out byte* data)
    {
        lock (Gate)
        {
            if (_open is null || bytes > ChunkBytes - _open.Used)
                _open = new Chunk();
            data = _open.Memory.Data + _open.Used;
            _open.Used += (bytes + CacheLine - 1) / CacheLine * CacheLine;
            _open.Buffers++;
            return _open;
        }
    }

    /// <summary>A buffer is no longer used.</summary>
    public static void Return(Chunk chunk)
    {
        lock (Gate)
        {
            if (--chunk.Buffers > 0)
                return;
            if (chunk == _open)
                _open = null;
            chunk.Memory.Dispose();
        }
    }

    /// <summary>Huge pages, and how much of them is taken.</summary>
    internal sealed class Chunk
    {
        public HostBuffer<byte> Memory { get; } = new(ChunkBytes);

        public long Used { get; set; }

        public int Buffers { get; set; }
    }
}
