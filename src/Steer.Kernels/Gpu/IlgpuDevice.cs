using System.Numerics;
using System.Reflection;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// A device that ILGPU drives: CUDA, OpenCL, or ILGPU's own CPU accelerator, which emulates a GPU for tests. Every kernel is one source
/// for all three.
/// </summary>
public sealed partial class IlgpuDevice : Device
{
    private readonly Context _context;
    private readonly Dictionary<MethodInfo, Delegate> _kernels = [];
    private readonly DeviceArena _arena;
    private readonly UploadStaging _staging;
    private readonly StepRecorder _recorder;
    private readonly int _maxGroupSize;
    private readonly IKernelLauncher? _launcher;
    private bool _disposed;

    private IlgpuDevice(
        Context context, Accelerator accelerator, string description, long memoryLimit, int maxGroupSize, IKernelLauncher? launcher = null)
    {
        _maxGroupSize = 1 << BitOperations.Log2((uint)maxGroupSize);
        _context = context;
        _launcher = launcher;
        Accelerator = accelerator;
        Description = description;
        // The emulator lives in the memory of the machine and says that it has no end.
        long memory = accelerator.AcceleratorType == AcceleratorType.CPU ? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes : accelerator.MemorySize;
        MemoryBytes = Math.Min(memory, memoryLimit);
        Stream = accelerator.CreateStream();
        _arena = new DeviceArena(accelerator, memoryLimit);
        _staging = new UploadStaging(this);
        _recorder = new StepRecorder(Stream is CudaStream cuda ? CudaGraphs.Create(cuda) : null);
    }

    /// <inheritdoc/>
    public override string Description { get; }

    /// <inheritdoc/>
    public override long MemoryBytes { get; }

    /// <summary>Where kernels run.</summary>
    internal Accelerator Accelerator { get; }

    /// <summary>The one stream on which kernels and copies are queued. Not the default one, which CUDA cannot record.</summary>
    internal AcceleratorStream Stream { get; }

    /// <summary>Products and attention go to tensor cores, or on the emulator to their twin.</summary>
    internal bool HasTensorCores => Accelerator switch
    {
        CudaAccelerator cuda => CudaSupport.HasTensorCores(cuda.Architecture, cuda.InstructionSet),
        _ when _launcher is not null => true,
        _ => IsEmulator && Accelerator.WarpSize == Warps.Size,
    };

    /// <summary>How many groups run side by side at least.</summary>
    internal int NumMultiprocessors => _launcher?.NumMultiprocessors ?? Accelerator.NumMultiprocessors;

    /// <summary>Kernels put on the stream or recorded so far; what a recording replays is not counted again.</summary>
    internal long Launches { get; private set; }

    private bool IsEmulator => Accelerator.AcceleratorType == AcceleratorType.CPU && _launcher is null;

    /// <inheritdoc/>
    public override DeviceBuffer<T> Allocate<T>(long length) => AllocateBuffer<T>(length);

    /// <inheritdoc/>
    public override PackedWeight Pack(IReadOnlyList<WeightMatrix> parts, WeightFormat format)
    {
        Shapes.Pack(parts);
        return IlgpuWeight.Pack(this, parts, format);
    }

    /// <inheritdoc/>
    public override LoraWeight PackLora(int n, int k, IReadOnlyList<LoraSegment> segments)
    {
        Shapes.PackLora(n, k, segments);
        return IlgpuLora.Pack(this, n, k, segments);
    }

    /// <inheritdoc/>
    public override KvCache CreateKvCache(KvCacheShape shape) => new IlgpuKvCache(this, shape);

    /// <inheritdoc/>
    public override Readback<T> AllocateReadback<T>(int length) => new IlgpuReadback<T>(this, length);

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _recorder.Dispose();
        _staging.Dispose();
        foreach (IlgpuBuffer<float>? scratch in _scratch)
            scratch?.Dispose();
        _arena.Dispose();
        Stream.Dispose();
        Accelerator.Dispose();
        _context.Dispose();
    }

    /// <summary>Threads of a group that shares work, a power of two: fewer where a device has no such groups, and on an emulator.</summary>
    internal int GroupSize(int threads) => Math.Min(threads, _maxGroupSize);

    /// <summary>
    /// Dynamic shared memory of a kernel with tensor cores, in words: its own, then what their twin needs, and at least what ILGPU takes for such a
    /// kernel.
    /// </summary>
    internal int ExchangeWords(int warps, int own = 0) => IsEmulator ? own + (warps * TensorCore.ExchangeWords) : Math.Max(1, own);

    /// <summary>The elements of a buffer of this device, for a kernel's parameters.</summary>
    internal static ArrayView<T> View<T>(DeviceBuffer<T> buffer)
        where T : unmanaged => ((IlgpuBuffer<T>)buffer).View;

    /// <summary>As <see cref="View{T}"/>; an empty view for null.</summary>
    internal static ArrayView<T> ViewOrEmpty<T>(DeviceBuffer<T>? buffer)
        where T : unmanaged => buffer is null ? ArrayView<T>.Empty : View(buffer);

    /// <summary>Allocates zeroed memory.</summary>
    internal IlgpuBuffer<T> AllocateBuffer<T>(long length)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        BeginTransfer();
        _allocations++;
        var buffer = new IlgpuBuffer<T>(this, _arena.Take(Math.Max(1, length) * Interop.SizeOf<T>(), Interop.SizeOf<T>()), length);
        if (length > 0)
            buffer.View.MemSetToZero(Stream);
        return buffer;
    }

    /// <summary>
    /// Queues <paramref name="body"/>, a static method, once for each index in [0, <paramref name="count"/>). It is compiled at its first call.
    /// </summary>
    /// <typeparam name="TParameters">The kernel's parameters, views included, as one struct.</typeparam>
    internal void Launch<TParameters>(Action<Index1D, TParameters> body, long count, TParameters parameters)
        where TParameters : struct
    {
        if (count > int.MaxValue)
            throw new ArgumentException($"{body.Method.DeclaringType?.Name}: {count} numbers in one launch.");
        if (count == 0)
            return;
        BeginLaunch();
        if (_launcher is not null)
        {
            Launch(KernelSource.Of(body), new Index3D((int)count, 1, 1), 0, 0, parameters);
            return;
        }

        if (!_kernels.TryGetValue(body.Method, out Delegate? kernel))
        {
            CompiledKernel compiled = CompiledKernels.Get(Accelerator, KernelSource.Of(body));
            // The CPU accelerator puts a barrier behind every group: a group of one costs least there.
            Kernel loaded = Accelerator.AcceleratorType == AcceleratorType.CPU
                ? Accelerator.LoadImplicitlyGroupedKernel(compiled, 1)
                : Accelerator.LoadAutoGroupedKernel(compiled);
            _kernels.Add(body.Method, kernel = loaded.CreateLauncherDelegate<Action<AcceleratorStream, Index1D, TParameters>>());
        }

        ((Action<AcceleratorStream, Index1D, TParameters>)kernel)(Stream, (int)count, parameters);
    }

    /// <summary>Queues <paramref name="body"/>, a static method, for a grid of groups whose threads work together.</summary>
    /// <typeparam name="TParameters">The kernel's parameters, views included, as one struct.</typeparam>
    internal void LaunchGroups<TParameters>(
        Action<TParameters> body, Index3D groups, int groupSize, TParameters parameters, int dynamicWords = 0)
        where TParameters : struct
    {
        if (groups.Size == 0)
            return;
        BeginLaunch();
        if (_launcher is not null)
        {
            Launch(KernelSource.OfGroups(body), groups, groupSize, dynamicWords * sizeof(uint), parameters);
            return;
        }

        if (!_kernels.TryGetValue(body.Method, out Delegate? kernel))
        {
            Kernel loaded = Accelerator.LoadKernel(CompiledKernels.Get(Accelerator, KernelSource.OfGroups(body)));
            CudaFunctions.AllowSharedMemory(loaded, dynamicWords * sizeof(uint));
            _kernels.Add(body.Method, kernel = loaded.CreateLauncherDelegate<Action<AcceleratorStream, KernelConfig, TParameters>>());
        }

        var threads = new Index3D(groupSize, 1, 1);
        KernelConfig config = dynamicWords > 0
            ? new KernelConfig(groups, threads, SharedMemoryConfig.RequestDynamic<uint>(dynamicWords))
            : new KernelConfig(groups, threads);
        ((Action<AcceleratorStream, KernelConfig, TParameters>)kernel)(Stream, config, parameters);
    }

    private void Launch(KernelSource kernel, Index3D groups, int groupSize, int dynamicBytes, object parameters) =>
        _launcher!.Launch(new KernelLaunch(kernel, groups, groupSize, dynamicBytes), parameters, _arena.Taken);

    private void BeginLaunch()
    {
        LaunchDeferred();
        Launches++;
        // CUDA launches on the calling thread's context, and a device may be handed from one thread to another.
        Accelerator.Bind();
    }
}
