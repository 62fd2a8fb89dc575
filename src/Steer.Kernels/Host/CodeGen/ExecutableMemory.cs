using System.Runtime.InteropServices;

namespace Steer.Kernels.Host.CodeGen;

/// <summary>
/// Memory for machine code: written first and made executable then, never both at once. It lives as long as the process.
/// </summary>
internal static unsafe partial class ExecutableMemory
{
    private const int ReadWrite = 1 | 2;
    private const int ReadExecute = 1 | 4;
    private const int Private = 2;
    private const int AnonymousOnLinux = 0x20;
    private const int AnonymousOnMac = 0x1000;

    private const uint CommitAndReserve = 0x3000;
    private const uint Release = 0x8000;
    private const uint PageReadWrite = 0x04;
    private const uint PageExecuteRead = 0x20;

    /// <summary>Copies code into memory that can be executed.</summary>
    /// <returns>Where it is, or null where the system refuses.</returns>
    public static byte* Place(ReadOnlySpan<byte> code) => OperatingSystem.IsWindows() ? PlaceOnWindows(code) : PlaceOnUnix(code);

    private static byte* PlaceOnUnix(ReadOnlySpan<byte> code)
    {
        int flags = Private | (OperatingSystem.IsMacOS() ? AnonymousOnMac : AnonymousOnLinux);
        byte* memory = Map(null, (nuint)code.Length, ReadWrite, flags, -1, 0);
        if (memory == (byte*)-1)
            return null;
        code.CopyTo(new Span<byte>(memory, code.Length));
        if (Protect(memory, (nuint)code.Length, ReadExecute) == 0)
            return memory;
        _ = Unmap(memory, (nuint)code.Length);
        return null;
    }

    private static byte* PlaceOnWindows(ReadOnlySpan<byte> code)
    {
        byte* memory = VirtualAlloc(null, (nuint)code.Length, CommitAndReserve, PageReadWrite);
        if (memory is null)
            return null;
        code.CopyTo(new Span<byte>(memory, code.Length));
        if (VirtualProtect(memory, (nuint)code.Length, PageExecuteRead, out _) != 0)
            return memory;
        _ = VirtualFree(memory, 0, Release);
        return null;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial byte* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint length);

    [LibraryImport("kernel32")]
    private static partial byte* VirtualAlloc(void* address, nuint size, uint type, uint protection);

    [LibraryImport("kernel32")]
    private static partial int VirtualProtect(void* address, nuint size, uint protection, out uint old);

    [LibraryImport("kernel32")]
    private static partial int VirtualFree(void* address, nuint size, uint type);
}
