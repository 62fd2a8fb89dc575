namespace Steer.Kernels.Host;

/// <summary>How a <see cref="HostDevice"/> uses the processor.</summary>
public sealed record HostDeviceOptions
{
    /// <summary>Threads that run kernels, the caller's included; 0 for the processors that this process may use.</summary>
    public int Threads { get; init; }

    /// <summary>What multiplies. Results are the same bits for all.</summary>
    public InstructionSet InstructionSet { get; init; }
}
