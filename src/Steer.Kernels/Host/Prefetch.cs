using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Steer.Kernels.Host;

/// <summary>Asks for a cache line before it is needed; nothing where the processor has no such instruction. Any address will do.</summary>
internal static unsafe class Prefetch
{
    /// <summary>Into the second-level cache: what is fetched far ahead would drive from the first what is worked on meanwhile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Read(byte* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch1(address);
    }
}
