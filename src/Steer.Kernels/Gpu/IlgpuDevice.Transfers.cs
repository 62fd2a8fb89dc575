using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.OpenCL;

namespace Steer.Kernels.Gpu;

/// <content>What host and device have to do with each other: copies, waits, steps that need neither, faults.</content>
public sealed partial class IlgpuDevice
{
    /// <summary>Steps of a few milliseconds, so that what a host does between two rounds is hidden, and a text that ended wastes little.</summary>
    private const int StepsPerRound = 16;

    private long _synchronisations;
    private long _uploads;
    private long _allocations;

    /// <inheritdoc/>
    public override int QueueDepth => StepsPerRound;

    /// <inheritdoc/>
    public override int FillingRows => Accelerator.AcceleratorType == AcceleratorType.CPU ? 512 : 2048;

    /// <inheritdoc/>
    public override DeviceCounters Counters => new(_synchronisations, _uploads, _allocations);

    /// <summary>1, 2, 4, then multiples of 8: a recorded step serves every batch of its bucket.</summary>
    public override int BatchBucket(int sequences) => sequences switch
    {
        <= 2 => sequences,
        <= 4 => 4,
        _ => (sequences + 7) / 8 * 8,
    };

    /// <inheritdoc/>
    public override void Repeat(StepKey key, int times, Action step)
    {
        Accelerator.Bind();
        LaunchDeferred();
        _recorder.Repeat(key, times, () =>
        {
            step();
            LaunchDeferred();
        });
    }

    /// <inheritdoc/>
    public override void Synchronize()
    {
        BeginTransfer();
        _synchronisations++;
        Stream.Synchronize();
    }

    /// <inheritdoc/>
    public override string? Explain(Exception error) => error is not AcceleratorException
        ? null
        : $"{Description}: the device failed ({Reason(error)}) and what it held is lost. Start again; if it fails again, see the driver's log.";

    // ILGPU gives OpenCL's errors no message.
    private static string Reason(Exception error) => error is CLException openCl ? openCl.Error.ToString() : error.Message.ReplaceLineEndings(" ");

    /// <summary>Queues a copy to the device; the source may be changed at once.</summary>
    internal void Upload<T>(ReadOnlySpan<T> source, ArrayView<T> target)
        where T : unmanaged
    {
        BeginTransfer();
        _uploads++;
        _staging.Upload(source, target);
    }

    /// <summary>Copies to the host and waits for it.</summary>
    internal unsafe void Download<T>(ArrayView<T> source, Span<T> destination)
        where T : unmanaged
    {
        BeginTransfer();
        _synchronisations++;
        // ILGPU takes the address of what it is given and does not pin it.
        fixed (T* pinned = destination)
            source.CopyToCPU(Stream, ref *pinned, destination.Length);
    }

    /// <summary>
    /// Called before a copy, a wait or an allocation: these come after all that was called so far. A step that is replayed has none, as they would
    /// not be in the recording.
    /// </summary>
    /// <exception cref="InvalidOperationException">Such a step runs.</exception>
    internal void BeginTransfer()
    {
        if (_recorder.IsStrict)
            throw new InvalidOperationException("A step that is repeated may neither allocate nor copy nor wait.");
        LaunchDeferred();
    }
}
