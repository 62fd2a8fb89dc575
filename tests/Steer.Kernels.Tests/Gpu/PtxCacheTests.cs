using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;
using Steer.Kernels.Gpu;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>What the cache of PTX gives back, and what it does not: that needs ILGPU's backend and no card.</summary>
public sealed class PtxCacheTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("steer-ptx").FullName;
    private readonly Context _context = Context.Create(builder => IlgpuDevice.Prepare(builder));
    private readonly PTXBackend _backend;

    public PtxCacheTests() => _backend = Backend(9, 0, CudaInstructionSet.ISA_78);

    public void Dispose()
    {
        _backend.Dispose();
        _context.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Theory]
    [InlineData("Add")]
    [InlineData("Norm")]
    [InlineData("Attention")]
    [InlineData("MatMulStreamBF16")]
    public void A_kernel_comes_back_as_it_was_compiled(string name)
    {
        KernelSource kernel = Kernel(name);
        var cache = new PtxCache(_root, "a");
        Assert.Null(cache.Read(_backend, kernel));
        var compiled = (PTXCompiledKernel)KernelCompiler.Compile(_backend, kernel);
        cache.Write(_backend, kernel, compiled);
        PTXCompiledKernel? read = new PtxCache(_root, "a").Read(_backend, kernel);
        Assert.NotNull(read);
        Assert.Equal(compiled.PTXAssembly, read.PTXAssembly);
        Assert.Equal((compiled.Name, compiled.SourceMethod, compiled.IndexType), (read.Name, read.SourceMethod, read.IndexType));
        Assert.Equal(PtxKernels.EntryPointOf(compiled).SharedMemory, PtxKernels.EntryPointOf(read).SharedMemory);
        // One file, and none that is unfinished.
        Assert.Equal([cache.FileOf(_backend, kernel)], Directory.GetFiles(_root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void What_another_build_made_or_for_another_card_or_driver_is_not_used()
    {
        KernelSource kernel = Kernel("Add");
        var cache = new PtxCache(_root, "a");
        cache.Write(_backend, kernel, (PTXCompiledKernel)KernelCompiler.Compile(_backend, kernel));
        Assert.Null(new PtxCache(_root, "b").Read(_backend, kernel));
        Assert.Null(cache.Read(_backend, Kernel("Norm")));
        using PTXBackend card = Backend(8, 0, CudaInstructionSet.ISA_78), driver = Backend(9, 0, CudaInstructionSet.ISA_80);
        Assert.Null(cache.Read(card, kernel));
        Assert.Null(cache.Read(driver, kernel));
        Assert.NotNull(cache.Read(_backend, kernel));
    }

    [Fact]
    public void A_file_that_is_cut_or_changed_is_not_used()
    {
        KernelSource kernel = Kernel("Add");
        var cache = new PtxCache(_root, "a");
        cache.Write(_backend, kernel, (PTXCompiledKernel)KernelCompiler.Compile(_backend, kernel));
        string file = cache.FileOf(_backend, kernel), text = File.ReadAllText(file);
        foreach (string bad in new[] { "", "\n", text[..40], text[..^1], text.Replace("add", "sub", StringComparison.Ordinal), text + "\n", "x" + text })
        {
            File.WriteAllText(file, bad);
            Assert.Null(cache.Read(_backend, kernel));
        }

        File.WriteAllText(file, text);
        Assert.NotNull(cache.Read(_backend, kernel));
    }

    [Fact]
    public void The_oldest_folders_go_when_a_new_one_comes()
    {
        for (int i = 0; i <= PtxCache.OtherFolders; i++)
            Directory.SetLastWriteTimeUtc(Directory.CreateDirectory(Path.Combine(_root, $"{i}")).FullName, DateTime.UnixEpoch.AddDays(i));
        var cache = new PtxCache(_root, "a");
        cache.Write(_backend, Kernel("Add"), (PTXCompiledKernel)KernelCompiler.Compile(_backend, Kernel("Add")));
        Assert.Equal(1 + PtxCache.OtherFolders, Directory.GetDirectories(_root).Length);
        Assert.False(Directory.Exists(Path.Combine(_root, "0")));
        Assert.NotNull(cache.Read(_backend, Kernel("Add")));
    }

    [Fact]
    public void Without_a_folder_kernels_are_compiled()
    {
        string file = Path.Combine(_root, "file");
        File.WriteAllText(file, "");
        var cache = new PtxCache(file, "a");
        cache.Write(_backend, Kernel("Add"), (PTXCompiledKernel)KernelCompiler.Compile(_backend, Kernel("Add")));
        Assert.Null(cache.Read(_backend, Kernel("Add")));
    }

    private static KernelSource Kernel(string name) => KernelCatalog.All.Single(k => k.Method.Name == name);

    private PTXBackend Backend(int major, int minor, CudaInstructionSet instructionSet)
    {
        var architecture = new CudaArchitecture(major, minor);
        return new PTXBackend(_context, new CudaCapabilityContext(architecture), architecture, instructionSet, nvvmAPI: null);
    }
}
