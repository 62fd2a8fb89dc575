using System.Runtime.InteropServices;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>A number of groups or threads in each direction.</summary>
internal readonly record struct PtxGrid(int X, int Y, int Z);

/// <summary>What a kernel is launched with.</summary>
/// <param name="Groups">Groups of the grid.</param>
/// <param name="GroupSize">Threads of a group.</param>
/// <param name="DynamicBytes">Shared memory beside that of the kernel itself.</param>
/// <param name="Parameters">The kernel's parameters as they lie in memory.</param>
/// <param name="Memory">What is allocated.</param>
/// <param name="Seed">Decides in which order warps go on.</param>
internal sealed record PtxLaunch(PtxGrid Groups, int GroupSize, int DynamicBytes, byte[] Parameters, PtxGlobalMemory Memory, ulong Seed);

/// <summary>
/// A group of threads: its warps go on in turns, in an order and for a while that a seed decides, so that what only holds in one order is found out. Shared memory begins as
/// a pattern that is no number.
/// </summary>
internal sealed unsafe class PtxGroup : IDisposable
{
    /// <summary>Two of them are a NaN in float16, bfloat16, float32 and float64, and a large number in int32.</summary>
    public const byte Garbage = 0x7F;

    private const int MostOperations = 1 << 30;

    private readonly PtxKernel _kernel;
    private readonly PtxWarp[] _warps;
    private readonly List<PtxWarp> _ready = [];
    private PtxLaunch? _launch;
    private PtxGrid _index;
    private ulong _random;

    public PtxGroup(PtxKernel kernel, int size, int sharedBytes)
    {
        _kernel = kernel;
        Size = size;
        SharedBytes = sharedBytes;
        Shared = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(16, sharedBytes), 256);
        Local = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(16, (long)size * kernel.Frame.LocalBytes), 256);
        Races = new PtxRaces(sharedBytes);
        _warps = [.. Enumerable.Range(0, (size + PtxWarp.Lanes - 1) / PtxWarp.Lanes).Select(i => new PtxWarp(kernel, this, i))];
    }

    /// <summary>Threads.</summary>
    public int Size { get; }

    public int SharedBytes { get; }

    public byte* Shared { get; }

    /// <summary>Local memory, of one thread after the other.</summary>
    public byte* Local { get; }

    public PtxRaces Races { get; }

    public PtxLaunch Launch => _launch!;

    /// <summary>A number below another, at random.</summary>
    public int Random(int below)
    {
        _random ^= _random << 13;
        _random ^= _random >> 7;
        _random ^= _random << 17;
        return (int)((uint)_random * (ulong)below >> 32);
    }

    /// <summary>A thread, for a message.</summary>
    public string Describe(int thread) => $"group {_index.X}, {_index.Y}, {_index.Z}, thread {thread}";

    /// <summary>What a special register holds for a thread.</summary>
    public uint Special(string name, int thread) => name switch
    {
        "%tid.x" => (uint)thread,
        "%tid.y" or "%tid.z" => 0,
        "%ntid.x" => (uint)Size,
        "%ntid.y" or "%ntid.z" => 1,
        "%ctaid.x" => (uint)_index.X,
        "%ctaid.y" => (uint)_index.Y,
        "%ctaid.z" => (uint)_index.Z,
        "%nctaid.x" => (uint)Launch.Groups.X,
        "%nctaid.y" => (uint)Launch.Groups.Y,
        "%nctaid.z" => (uint)Launch.Groups.Z,
        "%dynamic_smem_size" => (uint)Launch.DynamicBytes,
        "%laneid" => (uint)thread % PtxWarp.Lanes,
        "%warpid" => (uint)thread / PtxWarp.Lanes,
        "%lanemask_eq" => 1u << (thread % PtxWarp.Lanes),
        "%lanemask_lt" => (1u << (thread % PtxWarp.Lanes)) - 1,
        _ => throw new FormatException($"{_kernel.Name}: {name} is not known"),
    };

    /// <summary>Runs one group of a grid to its end.</summary>
    public void Run(PtxLaunch launch, long group)
    {
        _launch = launch;
        _index = new PtxGrid(
            (int)(group % launch.Groups.X), (int)(group / launch.Groups.X % launch.Groups.Y), (int)(group / launch.Groups.X / launch.Groups.Y));
        _random = (launch.Seed * 0x9E3779B97F4A7C15) ^ ((ulong)(group + 1) * 0xD1B54A32D192ED03) | 1;
        new Span<byte>(Shared, SharedBytes).Fill(Garbage);
        new Span<byte>(Local, Size * _kernel.Frame.LocalBytes).Fill(Garbage);
        Races.Meet();
        foreach (PtxWarp warp in _warps)
        {
            int threads = Math.Min(PtxWarp.Lanes, Size - (warp.Index * PtxWarp.Lanes));
            warp.Start(threads == PtxWarp.Lanes ? uint.MaxValue : (1u << threads) - 1);
        }

        long budget = MostOperations;
        while (true)
        {
            _ready.Clear();
            foreach (PtxWarp warp in _warps)
            {
                if (warp.IsReady)
                    _ready.Add(warp);
            }

            if (_ready.Count == 0)
            {
                if (Array.TrueForAll(_warps, w => w.Live == 0))
                    return;
                throw Stuck("Threads wait at a barrier for others that never come");
            }

            PtxWarp next = _ready[_ready.Count == 1 ? 0 : Random(_ready.Count)];
            int operations = 1 + Random(Random(4) == 0 ? 4000 : 60);
            next.Run(operations);
            budget -= operations;
            if (budget < 0)
                throw Stuck("No end after a thousand million operations");
            if (next.Live == 0 || next.Barrier >= 0)
                ReleaseBarriers();
        }
    }

    public void Dispose()
    {
        foreach (PtxWarp warp in _warps)
            warp.Dispose();
        NativeMemory.AlignedFree(Shared);
        NativeMemory.AlignedFree(Local);
    }

    // A barrier lets go when as many threads wait as it takes. Those that are done count for one that takes all, as on cards.
    private void ReleaseBarriers()
    {
        foreach (PtxWarp first in _warps)
        {
            if (first.Barrier < 0 || first.Live == 0)
                continue;
            int waiting = 0, done = 0;
            foreach (PtxWarp warp in _warps)
            {
                if (warp.Live == 0)
                    done++;
                else if (warp.Barrier == first.Barrier)
                    waiting++;
            }

            bool all = first.BarrierThreads is 0 || first.BarrierThreads >= Size;
            if (all ? waiting + done < _warps.Length : waiting * PtxWarp.Lanes < first.BarrierThreads)
                continue;
            Races.Meet();
            int id = first.Barrier;
            foreach (PtxWarp warp in _warps)
            {
                if (warp.Barrier == id)
                    warp.Release();
            }
        }
    }

    private PtxFaultException Stuck(string message) =>
        new($"{_kernel.Name}: {message} ({Describe(0)}): {string.Join("; ", _warps.Select(w => w.Describe()))}");
}
