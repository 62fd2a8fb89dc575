using System.Reflection;
using ILGPU;
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
    private IlgpuBuffer<float>? _scratch;
    private bool _disposed;

    private IlgpuDevice(Context context, Accelerator accelerator, string description, long memoryLimit)
    {
        _context = context;
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
    public override KvCache CreateKvCache(KvCacheShape shape)
    {
        long length = (long)shape.NumLayers * shape.NumBlocks * shape.NumKvHeads * KvCacheShape.BlockSize * shape.HeadDim;
        IlgpuBuffer<float> keys = AllocateBuffer<float>(length);
        try
        {
            return new IlgpuKvCache(shape, keys, AllocateBuffer<float>(length));
        }
        catch
        {
            keys.Dispose();
            throw;
        }
    }

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
        _scratch?.Dispose();
        _arena.Dispose();
        Stream.Dispose();
        Accelerator.Dispose();
        _context.Dispose();
    }

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
        ThrowIfReplaying();
        _allocations++;
        var buffer = new IlgpuBuffer<T>(this, _arena.Take(Math.Max(1, length) * Interop.SizeOf<T>(), Interop.SizeOf<T>()), length);
        if (length > 0)
            buffer.View.MemSetToZero(Stream);
        return buffer;
    }

    /// <summary>At least <paramref name="length"/> numbers that live until the next call.</summary>
    internal DeviceBuffer<float> Scratch(long length)
    {
        if (_scratch is null || _scratch.Length < length)
        {
            _scratch?.Dispose();
            _scratch = null;
            _scratch = AllocateBuffer<float>(length);
            _recorder.Forget();
        }

        return _scratch;
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
        // CUDA launches on the calling thread's context, and a device may be handed from one thread to another.
        Accelerator.Bind();
        if (!_kernels.TryGetValue(body.Method, out Delegate? kernel))
        {
            // The CPU accelerator puts a barrier behind every group: a group of one costs least there.
            kernel = Accelerator.AcceleratorType == AcceleratorType.CPU
                ? Accelerator.LoadImplicitlyGroupedKernel(body, 1)
                : Accelerator.LoadAutoGroupedKernel(body);
            _kernels.Add(body.Method, kernel);
        }

        ((Action<AcceleratorStream, Index1D, TParameters>)kernel)(Stream, (int)count, parameters);
    }
}
