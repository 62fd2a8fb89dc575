using System.Runtime.InteropServices;

namespace Steer.Kernels.Host;

/// <summary>Working memory of a kernel: grows to the largest need and keeps it, so that a steady state allocates nothing.</summary>
internal sealed unsafe class Scratch<T> : IDisposable
    where T : unmanaged
{
    private const int Alignment = 64;

    private long _length;

    /// <summary>What was reserved last.</summary>
    public T* Data { get; private set; }

    /// <summary>Memory for <paramref name="length"/> elements; what it held before is lost when it grows.</summary>
    /// <exception cref="OutOfMemoryException">There is not that much.</exception>
    public T* Reserve(long length)
    {
        if (length > _length)
        {
            long grown = Math.Max(length, _length * 3 / 2);
            Dispose();
            Data = (T*)NativeMemory.AlignedAlloc((nuint)(grown * sizeof(T)), Alignment);
            _length = grown;
        }
        return Data;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.AlignedFree(Data);
        Data = null;
        _length = 0;
    }
}
