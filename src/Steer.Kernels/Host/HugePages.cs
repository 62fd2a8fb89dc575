using System.Runtime.InteropServices;

namespace Steer.Kernels.Host;

/// <summary>
/// Pages of 2 MB for large buffers: weights are read from end to end, and with pages of 4 KB the translation of addresses and the prefetcher's stop
/// at each page end cost a sixth of the bandwidth of memory and more.
/// </summary>
internal static unsafe partial class HugePages
{
    /// <summary>Bytes of a huge page on x86-64 and, as a rule, ARM64.</summary>
    public const int Size = 2 << 20;

    private const int AdviseHugePage = 14;

    /// <summary>A buffer of this many bytes holds several huge pages, and the system has them.</summary>
    public static bool WorthFor(long bytes) => bytes >= 4 * Size && OperatingSystem.IsLinux();

    /// <summary>
    /// Asks for huge pages behind memory that begins at one and was not touched yet. Where the system has none the memory stays as it is.
    /// </summary>
    public static void Ask(void* start, long bytes) => _ = Advise(start, (nuint)bytes, AdviseHugePage);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint length, int advice);
}
