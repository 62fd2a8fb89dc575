using System.Runtime.InteropServices;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Lets a kernel of a CUDA graph begin when all groups of the one before have let it, where it followed the other's end: the edge between them is
/// exchanged for a programmatic one. Kernels wait for themselves, see <see cref="LaunchOrder"/>. Behind a kernel that never lets the next begin, and
/// on cards before sm_90, such an edge is as good as the other's end; so all are exchanged, and nobody has to know which kernel a node is.
/// </summary>
internal sealed unsafe class ProgrammaticEdges
{
    /// <summary>CU_GRAPH_NODE_TYPE_KERNEL.</summary>
    private const int KernelNode = 0;

    private readonly delegate* unmanaged<nint, nint*, nint*, EdgeData*, nuint*, int> _getEdges;
    private readonly delegate* unmanaged<nint, int*, int> _getType;
    private readonly delegate* unmanaged<nint, nint*, nint*, EdgeData*, nuint, int> _remove;
    private readonly delegate* unmanaged<nint, nint*, nint*, EdgeData*, nuint, int> _add;

    private ProgrammaticEdges(nint library)
    {
        _getEdges = (delegate* unmanaged<nint, nint*, nint*, EdgeData*, nuint*, int>)NativeLibrary.GetExport(library, "cuGraphGetEdges_v2");
        _getType = (delegate* unmanaged<nint, int*, int>)NativeLibrary.GetExport(library, "cuGraphNodeGetType");
        _remove = (delegate* unmanaged<nint, nint*, nint*, EdgeData*, nuint, int>)NativeLibrary.GetExport(library, "cuGraphRemoveDependencies_v2");
        _add = (delegate* unmanaged<nint, nint*, nint*, EdgeData*, nuint, int>)NativeLibrary.GetExport(library, "cuGraphAddDependencies_v2");
    }

    /// <summary>Null where the driver has no such edges (before CUDA 12.3).</summary>
    public static ProgrammaticEdges? Create(nint library)
    {
        try
        {
            return new ProgrammaticEdges(library);
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Exchanges all edges between kernels; false where a graph cannot be used any more.</summary>
    public bool Relax(nint graph)
    {
        nuint count = 0;
        if (_getEdges(graph, null, null, null, &count) != 0 || count == 0)
            return true;
        nint[] from = new nint[count], to = new nint[count];
        var data = new EdgeData[count];
        fixed (nint* starts = from, ends = to)
        fixed (EdgeData* edges = data)
        {
            if (_getEdges(graph, starts, ends, edges, &count) != 0)
                return true;
            for (nuint i = 0; i < count; i++)
            {
                if (!IsKernel(starts[i]) || !IsKernel(ends[i]))
                    continue;
                if (_remove(graph, starts + i, ends + i, edges + i, 1) != 0)
                    return true; // as it was
                EdgeData relaxed = EdgeData.Programmatic;
                if (_add(graph, starts + i, ends + i, &relaxed, 1) != 0 && _add(graph, starts + i, ends + i, edges + i, 1) != 0)
                    return false;
            }
        }

        return true;
    }

    private bool IsKernel(nint node)
    {
        int type;
        return _getType(node, &type) == 0 && type == KernelNode;
    }

    /// <summary>CUgraphEdgeData.</summary>
    private struct EdgeData
    {
        public byte FromPort;
        public byte ToPort;
        public byte Type;
        public fixed byte Reserved[5];

        /// <summary>CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC, CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC.</summary>
        public static EdgeData Programmatic => new() { FromPort = 1, Type = 1 };
    }
}
