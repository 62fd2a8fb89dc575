namespace Steer.Kernels.Host;

/// <summary>How a <see cref="HostDevice"/> uses the processor.</summary>
public sealed record HostDeviceOptions
{
    /// <summary>Threads that run kernels, the caller's included; 0 for the processors that this process may use.</summary>
    public int Threads { get; init; }

    /// <summary>Width of the vectors that multiply: 512, 256 or 128 bits; 0 for the widest of the processor. Results are the same bits for all.</summary>
    public int VectorBits { get; init; }
}
