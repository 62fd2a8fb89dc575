namespace Steer.Kernels;

/// <summary>How often a device and its host had to deal with each other. A device in the host's own memory counts nothing.</summary>
/// <param name="Synchronisations">Times the host waited for the device.</param>
/// <param name="Uploads">Copies to the device.</param>
/// <param name="Allocations">Pieces of device memory taken.</param>
public readonly record struct DeviceCounters(long Synchronisations, long Uploads, long Allocations);
