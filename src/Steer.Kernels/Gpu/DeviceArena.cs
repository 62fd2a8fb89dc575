using System.Numerics;
using ILGPU;
using ILGPU.Runtime;

namespace Steer.Kernels.Gpu;

/// <summary>
/// All memory of a device: slabs taken from the accelerator, and pieces cut from them. An allocation by the accelerator itself takes long, and
/// waits for every kernel.
/// </summary>
/// <param name="accelerator">Where the memory lies.</param>
/// <param name="limit">Most bytes taken from it.</param>
internal sealed class DeviceArena(Accelerator accelerator, long limit) : IDisposable
{
    /// <summary>Bytes of a slab; a larger piece has a slab of its own.</summary>
    internal const long SlabBytes = 64L << 20;

    /// <summary>Pieces begin at multiples of it: two lines of a GPU's cache.</summary>
    private const int Alignment = 256;

    private readonly List<Slab> _slabs = [];
    private bool _disposed;

    /// <summary>Bytes of all slabs.</summary>
    public long Reserved { get; private set; }

    /// <summary>Addresses of all that is taken; pieces that touch are one.</summary>
    public IEnumerable<(long Start, long Bytes)> Taken => _slabs.SelectMany(s => s.Taken);

    /// <summary>
    /// Cuts a piece of <paramref name="bytes"/> that begins at a multiple of <paramref name="elementSize"/>; what it holds is undefined.
    /// </summary>
    /// <exception cref="OutOfMemoryException">The device has not that much.</exception>
    public ArenaPiece Take(long bytes, int elementSize)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        long unit = (long)elementSize * Alignment / (long)BigInteger.GreatestCommonDivisor(elementSize, Alignment);
        foreach (Slab slab in _slabs)
        {
            if (slab.TryCut(bytes, unit, out long start))
                return new ArenaPiece(this, slab, start, bytes);
        }

        Slab fresh = Reserve(bytes);
        _slabs.Add(fresh);
        fresh.TryCut(bytes, unit, out long first);
        return new ArenaPiece(this, fresh, first, bytes);
    }

    /// <summary>Takes a piece back; a slab that holds nothing any more goes back to the accelerator.</summary>
    public void Give(ArenaPiece piece)
    {
        if (_disposed)
            return;
        piece.Slab.Give(piece.Start, piece.Bytes);
        if (!piece.Slab.IsEmpty)
            return;
        _slabs.Remove(piece.Slab);
        Reserved -= piece.Slab.Memory.Length;
        piece.Slab.Memory.Dispose();
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _slabs.ForEach(s => s.Memory.Dispose());
    }

    private Slab Reserve(long bytes)
    {
        // A whole slab where there is room for one, else what is needed.
        AcceleratorException? cause = null;
        foreach (long size in new[] { Math.Max(bytes, SlabBytes), bytes })
        {
            if (size > limit - Reserved)
                continue;
            try
            {
                var slab = new Slab(accelerator.Allocate1D<byte>(size));
                Reserved += size;
                return slab;
            }
            catch (AcceleratorException e)
            {
                cause = e;
            }
        }

        throw new OutOfMemoryException($"{accelerator.Name} has no room for {bytes} bytes beside the {Reserved} that are taken.", cause);
    }

    /// <summary>Memory of the accelerator, and which parts of it are free.</summary>
    internal sealed class Slab(MemoryBuffer1D<byte, Stride1D.Dense> memory)
    {
        /// <summary>Free ranges in ascending order; no two of them touch.</summary>
        private readonly List<(long Start, long End)> _free = [(0, memory.Length)];

        public MemoryBuffer1D<byte, Stride1D.Dense> Memory { get; } = memory;

        public bool IsEmpty => _free.Count == 1 && _free[0] == (0, Memory.Length);

        /// <summary>Addresses of what is not free.</summary>
        public IEnumerable<(long Start, long Bytes)> Taken
        {
            get
            {
                long at = 0;
                foreach (var (start, end) in _free.Append((Memory.Length, Memory.Length)))
                {
                    if (start > at)
                        yield return (Memory.NativePtr + at, start - at);
                    at = end;
                }
            }
        }

        /// <summary>Takes the first free range that holds <paramref name="bytes"/> from a multiple of <paramref name="unit"/> on.</summary>
        public bool TryCut(long bytes, long unit, out long start)
        {
            for (int i = 0; i < _free.Count; i++)
            {
                var (from, to) = _free[i];
                start = (from + unit - 1) / unit * unit;
                if (start > to - bytes)
                    continue;
                _free.RemoveAt(i);
                if (start + bytes < to)
                    _free.Insert(i, (start + bytes, to));
                if (from < start)
                    _free.Insert(i, (from, start));
                return true;
            }

            start = 0;
            return false;
        }

        /// <summary>Makes a range free again, as one with its free neighbours.</summary>
        public void Give(long start, long bytes)
        {
            int at = _free.FindIndex(f => f.Start > start);
            if (at < 0)
                at = _free.Count;
            long end = start + bytes;
            if (at < _free.Count && _free[at].Start == end)
            {
                end = _free[at].End;
                _free.RemoveAt(at);
            }

            if (at > 0 && _free[at - 1].End == start)
                _free[at - 1] = (_free[at - 1].Start, end);
            else
                _free.Insert(at, (start, end));
        }
    }
}

/// <summary>A piece of a <see cref="DeviceArena"/>.</summary>
internal sealed class ArenaPiece(DeviceArena arena, DeviceArena.Slab slab, long start, long bytes) : IDisposable
{
    private bool _disposed;

    /// <summary>The slab that it is cut from.</summary>
    public DeviceArena.Slab Slab { get; } = slab;

    /// <summary>First byte in the slab.</summary>
    public long Start { get; } = start;

    /// <summary>Length in bytes.</summary>
    public long Bytes { get; } = bytes;

    /// <summary>The piece as an array.</summary>
    public ArrayView<T> View<T>()
        where T : unmanaged => Slab.Memory.View.BaseView.SubView(Start, Bytes).Cast<T>();

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        arena.Give(this);
    }
}
