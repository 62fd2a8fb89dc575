using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <content>
/// Kernels that make activations and wait for one call more. A product on tensor cores reads activations packed; where it is the next thing that the
/// device is asked for, what made them writes both forms in one launch. Whatever else comes next launches it first, so that nothing changes its
/// place.
/// </content>
public sealed partial class IlgpuDevice
{
    private (Tensor Output, Action<PackedRows> Launch)? _deferred;

    /// <summary>Takes a launch that writes <paramref name="output"/>, and to the packed rows that it is given, unless these are nowhere.</summary>
    internal void Defer(Tensor output, Action<PackedRows> launch)
    {
        LaunchDeferred();
        if (HasTensorCores)
            _deferred = (output, launch);
        else
            launch(default);
    }

    /// <summary>Launches what makes <paramref name="x"/> and has it write packed rows too; false where that is not what waits.</summary>
    internal bool LaunchPacked(Tensor x, PackedRows packed)
    {
        if (_deferred is not { } deferred || deferred.Output != x)
            return false;
        _deferred = null;
        deferred.Launch(packed);
        return true;
    }

    /// <summary>Launches what waits. Called before anything else is put on the stream.</summary>
    private void LaunchDeferred()
    {
        if (_deferred is not { } deferred)
            return;
        _deferred = null;
        deferred.Launch(default);
    }
}
