using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Steer.Kernels.Host;
using Steer.Kernels.Host.CodeGen;

namespace Steer.Kernels.Profiling;

/// <summary>One thing that <see cref="MachineLimits"/> measures; every thread does one part.</summary>
internal abstract class LimitJob : ParallelJob
{
    /// <summary>Turns of the loops that multiply.</summary>
    protected const long Turns = 100_000;

    private readonly float[] _sink = new float[1024];

    /// <summary>Operations or bytes of a part.</summary>
    public abstract double UnitsPerPart { get; }

    /// <summary>Takes the result of a part, so that its work is not left out.</summary>
    protected void Keep(int part, float result) => _sink[part % _sink.Length] = result;
}

/// <summary>Float32 multiply-adds in registers.</summary>
internal sealed class MultiplyAddJob : LimitJob
{
    private static readonly bool Wide = Vector512.IsHardwareAccelerated;

    public override double UnitsPerPart => 2.0 * 12 * Turns * (Wide ? Vector512<float>.Count : Vector256<float>.Count);

    public override void Run(int part) => Keep(part, Wide ? Sum512(0.5f, 1) : Sum256(0.5f, 1));

    // Twelve chains: more than the latency of a multiply-add times what is started in each cycle, and few enough for 16 registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Sum512(float factor, float addend)
    {
        var x = Vector512.Create(factor);
        var y = Vector512.Create(addend);
        Vector512<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (long n = 0; n < Turns; n++)
        {
            a = Vector512.FusedMultiplyAdd(a, x, y);
            b = Vector512.FusedMultiplyAdd(b, x, y);
            c = Vector512.FusedMultiplyAdd(c, x, y);
            d = Vector512.FusedMultiplyAdd(d, x, y);
            e = Vector512.FusedMultiplyAdd(e, x, y);
            f = Vector512.FusedMultiplyAdd(f, x, y);
            g = Vector512.FusedMultiplyAdd(g, x, y);
            h = Vector512.FusedMultiplyAdd(h, x, y);
            i = Vector512.FusedMultiplyAdd(i, x, y);
            j = Vector512.FusedMultiplyAdd(j, x, y);
            k = Vector512.FusedMultiplyAdd(k, x, y);
            l = Vector512.FusedMultiplyAdd(l, x, y);
        }
        return Vector512.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Sum256(float factor, float addend)
    {
        var x = Vector256.Create(factor);
        var y = Vector256.Create(addend);
        Vector256<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (long n = 0; n < Turns; n++)
        {
            a = Vector256.FusedMultiplyAdd(a, x, y);
            b = Vector256.FusedMultiplyAdd(b, x, y);
            c = Vector256.FusedMultiplyAdd(c, x, y);
            d = Vector256.FusedMultiplyAdd(d, x, y);
            e = Vector256.FusedMultiplyAdd(e, x, y);
            f = Vector256.FusedMultiplyAdd(f, x, y);
            g = Vector256.FusedMultiplyAdd(g, x, y);
            h = Vector256.FusedMultiplyAdd(h, x, y);
            i = Vector256.FusedMultiplyAdd(i, x, y);
            j = Vector256.FusedMultiplyAdd(j, x, y);
            k = Vector256.FusedMultiplyAdd(k, x, y);
            l = Vector256.FusedMultiplyAdd(l, x, y);
        }
        return Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }
}

/// <summary>Multiply-adds of a kind that C# does not have.</summary>
internal sealed unsafe class MachineCodeJob : LimitJob
{
    private readonly delegate* unmanaged<long, void> _loop;
    private readonly int _depth;

    private MachineCodeJob(delegate* unmanaged<long, void> loop, int depth)
    {
        _loop = loop;
        _depth = depth;
    }

    public override double UnitsPerPart => 2.0 * ArithmeticLoop.Chains * _depth * Vector512<float>.Count * Turns;

    /// <summary>Pairs of bfloat16; null where there are none.</summary>
    public static MachineCodeJob? BF16() => MachineTiles.HasBF16 && MachineTiles.IsAllowed ? new(ArithmeticLoop.BF16, 2) : null;

    /// <summary>Bytes; null where there are none.</summary>
    public static MachineCodeJob? Int8() => MachineTiles.HasVnni && MachineTiles.IsAllowed ? new(ArithmeticLoop.Int8, 4) : null;

    public override void Run(int part) => _loop(Turns);
}

/// <summary>Reads memory, each thread a share of its own.</summary>
internal sealed unsafe class ReadJob : LimitJob, IDisposable
{
    // Enough that a launch costs nothing beside it.
    private const long LeastBytesPerPart = 4L << 20;

    // The same memory, with the same pages, that weights are in.
    private readonly HostBuffer<byte>[] _shares;

    /// <param name="threads">How many have a share.</param>
    /// <param name="mostBytes">Of all shares together.</param>
    /// <param name="allocate">Gives a share of so many bytes; null for memory of the system.</param>
    /// <exception cref="OutOfMemoryException">There is not that much; nothing is kept.</exception>
    public ReadJob(int threads, long mostBytes, Func<long, HostBuffer<byte>>? allocate = null)
    {
        _shares = new HostBuffer<byte>[threads];
        try
        {
            for (int i = 0; i < threads; i++)
            {
                _shares[i] = allocate?.Invoke(mostBytes / threads) ?? new HostBuffer<byte>(mostBytes / threads);
                // Pages that nobody wrote are all the same page of zeros.
                NativeMemory.Fill(_shares[i].Data, (nuint)_shares[i].Length, 1);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// Bytes that all threads together read again and again; a run reads them once at least, as no part of them is to be found nearer than the rest.
    /// </summary>
    public long WorkingSet { get; set; }

    public override double UnitsPerPart => Share * Math.Max(1, LeastBytesPerPart / Share);

    // In whole turns of the loop.
    private long Share => WorkingSet / _shares.Length / 128 * 128;

    public override void Run(int part)
    {
        float sum = 0;
        for (double read = 0; read < UnitsPerPart; read += Share)
            sum += Sum((float*)_shares[part].Data, Share / sizeof(float));
        Keep(part, sum);
    }

    public void Dispose()
    {
        // Where the constructor failed, the last ones are not there.
        foreach (var share in _shares)
            share?.Dispose();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Sum(float* x, long count)
    {
        Vector256<float> a = default, b = default, c = default, d = default;
        for (long i = 0; i < count; i += 32)
        {
            a += Vector256.Load(x + i);
            b += Vector256.Load(x + i + 8);
            c += Vector256.Load(x + i + 16);
            d += Vector256.Load(x + i + 24);
        }
        return Vector256.Sum(a + b + c + d);
    }
}
