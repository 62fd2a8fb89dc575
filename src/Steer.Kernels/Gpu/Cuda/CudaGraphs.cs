using System.Runtime.InteropServices;
using ILGPU.Runtime.Cuda;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// CUDA graphs of an ILGPU stream through the driver API, which ILGPU itself does not have: its launches are captured and replayed as one, so that a
/// step costs the host one call instead of hundreds. Where the driver can (CUDA 12.3), each kernel begins before the one ahead has ended, see
/// <see cref="LaunchOrder"/>.
/// </summary>
internal sealed unsafe class CudaGraphs : IGraphDriver
{
    /// <summary>Calls that cannot be captured fail on this thread alone (CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).</summary>
    private const int ThreadLocalCapture = 1;

    private readonly CudaStream _stream;
    private readonly delegate* unmanaged<nint, int, int> _beginCapture;
    private readonly delegate* unmanaged<nint, nint*, int> _endCapture;
    private readonly delegate* unmanaged<nint*, nint, ulong, int> _instantiate;
    private readonly delegate* unmanaged<nint, nint, int> _launch;
    private readonly delegate* unmanaged<nint, int> _destroyGraph;
    private readonly delegate* unmanaged<nint, int> _destroyExec;
    private readonly ProgrammaticEdges? _edges;

    private CudaGraphs(CudaStream stream, nint library)
    {
        _stream = stream;
        _beginCapture = (delegate* unmanaged<nint, int, int>)NativeLibrary.GetExport(library, "cuStreamBeginCapture_v2");
        _endCapture = (delegate* unmanaged<nint, nint*, int>)NativeLibrary.GetExport(library, "cuStreamEndCapture");
        _instantiate = (delegate* unmanaged<nint*, nint, ulong, int>)NativeLibrary.GetExport(library, "cuGraphInstantiateWithFlags");
        _launch = (delegate* unmanaged<nint, nint, int>)NativeLibrary.GetExport(library, "cuGraphLaunch");
        _destroyGraph = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "cuGraphDestroy");
        _destroyExec = (delegate* unmanaged<nint, int>)NativeLibrary.GetExport(library, "cuGraphExecDestroy");
        _edges = ProgrammaticEdges.Create(library);
    }

    /// <summary>Graphs of a stream (not the default one, which cannot be captured); null where the driver has none (before CUDA 11.4).</summary>
    public static CudaGraphs? Create(CudaStream stream)
    {
        if (!NativeLibrary.TryLoad(CudaFunctions.DriverName, out nint library))
            return null;
        try
        {
            return new CudaGraphs(stream, library);
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }

    public void Begin() => Check(_beginCapture(_stream.StreamPtr, ThreadLocalCapture));

    public nint End()
    {
        nint graph = 0, exec = 0;
        // A step that cannot be captured has spoilt the capture; it ends here all the same, with an error.
        if (_endCapture(_stream.StreamPtr, &graph) != 0 || graph == 0)
            return 0;
        bool ordered = _edges is null || _edges.Relax(graph);
        int status = ordered ? _instantiate(&exec, graph, 0) : -1;
        _destroyGraph(graph);
        return status == 0 ? exec : 0;
    }

    public void Launch(nint graph) => Check(_launch(graph, _stream.StreamPtr));

    public void Destroy(nint graph) => _destroyExec(graph);

    private static void Check(int status) => CudaException.ThrowIfFailed((CudaError)status);
}
