using System.Collections.Concurrent;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>Where the parameters of an entry lie, one after the other.</summary>
internal sealed class PtxParameterLayout
{
    private readonly Dictionary<string, int> _offsets = [];

    public PtxParameterLayout(IEnumerable<PtxVariable> parameters)
    {
        foreach (PtxVariable parameter in parameters)
        {
            int offset = (Bytes + parameter.Alignment - 1) / parameter.Alignment * parameter.Alignment;
            _offsets.Add(parameter.Name, offset);
            Bytes = offset + parameter.Bytes;
        }
    }

    /// <summary>Bytes of all.</summary>
    public int Bytes { get; }

    public int Offset(string name) => _offsets[name];
}

/// <summary>A kernel decoded from its text.</summary>
internal sealed class PtxKernel
{
    private readonly ConcurrentDictionary<int, ConcurrentBag<PtxGroup>> _idle = new();

    public PtxKernel(string text)
    {
        PtxEntry entry = PtxParser.Parse(text);
        Name = entry.Name;
        Frame = new PtxFrame(entry);
        Parameters = new PtxParameterLayout(entry.Parameters);
        HasDynamicShared = entry.Shared.Any(s => s.Bytes == 0);
        var layout = new PtxLayout(entry);
        var places = new Dictionary<int, int>();
        for (int i = 0; i < layout.Order.Count; i++)
            places.Add(layout.Order[i], i);
        var decoder = new PtxDecoder(Frame, Parameters);
        Operations = new PtxOperation[layout.Order.Count];
        foreach ((int statement, int place) in places)
        {
            PtxStatement source = entry.Statements[statement];
            PtxOperation operation = decoder.Decode(source);
            if (PtxLayout.IsJump(source))
                operation.Target = places[layout.Resolve(entry.Labels[source.Operands[0]])];
            if (statement + 1 < entry.Statements.Count)
                operation.Next = places[layout.Resolve(statement + 1)];
            Operations[place] = operation;
        }

        Entry = places[layout.Resolve(0)];
        WaitsForPrevious = Operations.Any(o => o is LaunchOrderOperation { Waits: true });
        PtxContraction.Apply(Operations, Entry, decoder);
    }

    public string Name { get; }

    public PtxFrame Frame { get; }

    public PtxParameterLayout Parameters { get; }

    public PtxOperation[] Operations { get; }

    /// <summary>The first operation.</summary>
    public int Entry { get; }

    /// <summary>It may begin before the launch before has ended, and waits for that.</summary>
    public bool WaitsForPrevious { get; }

    /// <summary>A launch says how much more shared memory it takes.</summary>
    public bool HasDynamicShared { get; }

    /// <summary>Runs all groups of a launch, on all processors and in any order.</summary>
    /// <exception cref="PtxFaultException">A group did what no kernel may.</exception>
    public void Run(PtxLaunch launch)
    {
        long groups = (long)launch.Groups.X * launch.Groups.Y * launch.Groups.Z;
        ulong step = Stride(groups, launch.Seed);
        int shared = Frame.SharedBytes + launch.DynamicBytes;
        ConcurrentBag<PtxGroup> idle = _idle.GetOrAdd(HashCode.Combine(launch.GroupSize, shared), _ => []);
        PtxFaultException? fault = null;
        Parallel.For(0, groups, (i, state) =>
        {
            if (!idle.TryTake(out PtxGroup? group) || group.Size != launch.GroupSize || group.SharedBytes != shared)
                group = new PtxGroup(this, launch.GroupSize, shared);
            try
            {
                group.Run(launch, (long)(((ulong)i * step) % (ulong)groups));
                idle.Add(group);
            }
            catch (PtxFaultException e)
            {
                fault = e;
                state.Stop();
            }
        });
        if (fault is not null)
            throw new PtxFaultException(fault.Message);
    }

    // A step that comes to every group once, in an order that is no order.
    private static ulong Stride(long groups, ulong seed)
    {
        ulong step = 1 + (seed % (ulong)groups);
        while (System.Numerics.BigInteger.GreatestCommonDivisor(step, groups) != 1)
            step++;
        return step;
    }
}
