using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>What a kernel keeps between its launches; each use has memory of its own.</summary>
internal enum ScratchUse
{
    /// <summary>Activations rounded for a product.</summary>
    Activations,

    /// <summary>Scales of rounded activations.</summary>
    ActivationScales,

    /// <summary>Parts of a product's sums.</summary>
    PartialSums,

    /// <summary>x A^T of adapters.</summary>
    Lora,

    /// <summary>Parts of attention over a context.</summary>
    Attention,

    /// <summary>Counts of those parts that are done: zeros between launches.</summary>
    AttentionArrivals,
}

/// <content>Memory that kernels keep for themselves.</content>
public sealed partial class IlgpuDevice
{
    private readonly IlgpuBuffer<float>?[] _scratch = new IlgpuBuffer<float>?[Enum.GetValues<ScratchUse>().Length];

    /// <summary>At least <paramref name="length"/> numbers that live until the next call with the same use.</summary>
    internal IlgpuBuffer<float> Scratch(ScratchUse use, long length)
    {
        ref IlgpuBuffer<float>? buffer = ref _scratch[(int)use];
        if (buffer is null || buffer.Length < length)
        {
            buffer?.Dispose();
            buffer = null;
            buffer = AllocateBuffer<float>(length);
            _recorder.Forget();
        }

        return buffer;
    }
}
