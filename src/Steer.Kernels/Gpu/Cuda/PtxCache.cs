using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// PTX of kernels on disk: the next process need not have ILGPU compile it, and the driver, which keeps what it assembles by the text, finds the same
/// text. (ILGPU numbers labels and registers differently in each run.) A folder holds what one build of this assembly and of ILGPU's made for one
/// architecture and instruction set; a file what one kernel is. A folder that cannot be read or written is as good as an empty one.
/// </summary>
/// <param name="root">The folder of all folders.</param>
/// <param name="build">What made the code, to the last change.</param>
internal sealed class PtxCache(string root, string build)
{
    /// <summary>Folders that are kept beside the one in use: other cards, other versions.</summary>
    public const int OtherFolders = 7;

    private const string Magic = "// steer-ptx";

    /// <summary>The user's: under $XDG_CACHE_HOME or ~/.cache, on Windows under %LOCALAPPDATA%; null where there is no such folder.</summary>
    public static PtxCache? OfUser()
    {
        string folder = OperatingSystem.IsWindows()
            ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache
            : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? Path.Combine(home, ".cache") : "";
        // The number of a module is that of its contents.
        string build = string.Join(' ', new[] { typeof(PtxCache), typeof(Context), typeof(XMath) }.Select(t => t.Module.ModuleVersionId));
        return Path.IsPathRooted(folder) ? new PtxCache(Path.Combine(folder, "steer", "ptx"), build) : null;
    }

    /// <summary>What an earlier process wrote; null where there is none, or not the whole of it.</summary>
    public PTXCompiledKernel? Read(PTXBackend backend, KernelSource kernel)
    {
        try
        {
            string[] parts = File.ReadAllText(FileOf(backend, kernel)).Split('\n', 2);
            string[] header = parts[0].Split(' ');
            if (parts.Length < 2 || header.Length != 5 || $"{header[0]} {header[1]}" != Magic || header[2] != Hash(parts[1])
                || !int.TryParse(header[3], NumberStyles.None, CultureInfo.InvariantCulture, out int staticBytes))
            {
                return null;
            }

            var shared = new SharedMemorySpecification(staticBytes, header[4] == "dynamic");
            return PtxKernels.Create(backend.Context, new EntryPoint(KernelCompiler.EntryPoint(kernel), shared, default), null, parts[1]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Keeps a kernel for later processes, where the disk lets it.</summary>
    public void Write(PTXBackend backend, KernelSource kernel, PTXCompiledKernel compiled)
    {
        string file = FileOf(backend, kernel), unfinished = $"{file}.{Guid.NewGuid():N}";
        SharedMemorySpecification shared = PtxKernels.EntryPointOf(compiled).SharedMemory;
        try
        {
            if (!Directory.Exists(Path.GetDirectoryName(file)))
                MakeFolder(Path.GetDirectoryName(file)!);
            string memory = shared.HasDynamicMemory ? "dynamic" : "static";
            File.WriteAllText(unfinished, string.Create(
                CultureInfo.InvariantCulture, $"{Magic} {Hash(compiled.PTXAssembly)} {shared.StaticSize} {memory}\n{compiled.PTXAssembly}"));
            // Another process may write the same at the same time: either is whole.
            File.Move(unfinished, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }

    /// <summary>Where a kernel is.</summary>
    public string FileOf(PTXBackend backend, KernelSource kernel)
    {
        string folder = Hash(string.Create(CultureInfo.InvariantCulture, $"{build} {backend.Architecture} {backend.InstructionSet}"));
        return Path.Combine(root, folder, $"{kernel.Method.DeclaringType!.Name}.{kernel.Method.Name}.ptx");
    }

    private void MakeFolder(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (DirectoryInfo old in new DirectoryInfo(root).GetDirectories().OrderByDescending(d => d.LastWriteTimeUtc).Skip(1 + OtherFolders))
            old.Delete(recursive: true);
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));
}
