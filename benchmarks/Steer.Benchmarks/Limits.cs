using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Steer.Kernels;
using Steer.Kernels.Host;
using Steer.Kernels.Host.CodeGen;

namespace Steer.Benchmarks;

/// <summary>
/// What this machine can do at most, measured here and now with all threads: multiply-adds in registers with the widest vectors, and sums over
/// memory far larger than the caches. Every figure of a kernel is printed as a share of these.
/// </summary>
internal sealed unsafe class Limits
{
    // Many short runs, of which the best counts: on a machine with other work some of them find it idle.
    private const int Repeats = 300;
    private const long MultiplyAdds = 100_000;
    private const long BytesPerThread = 128L << 20;
    private const long BytesPerRun = 4L << 20;

    private readonly ThreadTeam _team = new(Environment.ProcessorCount);
    private readonly ArithmeticJob _arithmetic = new();
    private readonly MachineJob? _bf16 = MachineTiles.HasBF16 ? new(MachineLoop.BF16, 2) : null;
    private readonly MachineJob? _int8 = MachineTiles.HasVnni ? new(MachineLoop.Int8, 4) : null;
    private readonly ReadJob _read = new(Environment.ProcessorCount);

    private Limits() => Refine();

    /// <summary>The limits of this machine.</summary>
    public static Limits OfThisMachine { get; } = new();

    /// <summary>Float32 multiply-adds in registers, two operations each, in 10^9 per second.</summary>
    public double Gflops { get; private set; }

    /// <summary>Multiply-adds of pairs of bfloat16; those of float32 where the processor has none.</summary>
    public double BF16Gflops { get; private set; }

    /// <summary>Multiply-adds of bytes; those of float32 where the processor has none.</summary>
    public double Int8Gflops { get; private set; }

    /// <summary>Reading of memory, in 10^9 bytes per second.</summary>
    public double GigabytesPerSecond { get; private set; }

    /// <summary>Measures once more and keeps what is best.</summary>
    public void Refine()
    {
        Gflops = Math.Max(Gflops, 1e-9 * Best(_arithmetic));
        BF16Gflops = Math.Max(BF16Gflops, _bf16 is null ? Gflops : 1e-9 * Best(_bf16));
        Int8Gflops = Math.Max(Int8Gflops, _int8 is null ? Gflops : 1e-9 * Best(_int8));
        GigabytesPerSecond = Math.Max(GigabytesPerSecond, 1e-9 * Best(_read));
    }

    /// <summary>The shortest time, in seconds, in which work of this size could be done with products of this format.</summary>
    public double Seconds(double flops, double bytes, WeightFormat format = default)
    {
        double gflops = format switch
        {
            (DType.BF16, true) => BF16Gflops,
            (DType.Int8 or DType.Int4, true) => Int8Gflops,
            _ => Gflops,
        };
        return Math.Max(flops / (1e9 * gflops), bytes / (1e9 * GigabytesPerSecond));
    }

    // Most units per second that all threads together reached.
    private double Best(LimitJob job)
    {
        double best = 0;
        for (int i = 0; i < Repeats; i++)
        {
            job.Repeat = i;
            long start = Stopwatch.GetTimestamp();
            _team.Run(job, _team.Threads);
            best = Math.Max(best, job.UnitsPerPart * _team.Threads / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    private abstract class LimitJob : ParallelJob
    {
        protected float[] Sink { get; } = new float[1024];

        public abstract double UnitsPerPart { get; }

        public int Repeat { get; set; }
    }

    private sealed class ArithmeticJob : LimitJob
    {
        private static readonly bool Wide = Vector512.IsHardwareAccelerated;

        public override double UnitsPerPart => 2.0 * 12 * MultiplyAdds * (Wide ? Vector512<float>.Count : Vector256<float>.Count);

        public override void Run(int part) => Sink[part] = Wide ? Sum512(0.5f, 1) : Sum256(0.5f, 1);

        // Twelve chains: more than the latency of a multiply-add times what is started in each cycle, and few enough for 16 registers.
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        private static float Sum512(float factor, float addend)
        {
            var x = Vector512.Create(factor);
            var y = Vector512.Create(addend);
            Vector512<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
            for (long n = 0; n < MultiplyAdds; n++)
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
            for (long n = 0; n < MultiplyAdds; n++)
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

    private sealed class MachineJob(delegate* unmanaged<long, void> loop, int depth) : LimitJob
    {
        public override double UnitsPerPart => 2.0 * MachineLoop.Chains * depth * Vector512<float>.Count * MultiplyAdds;

        public override void Run(int part) => loop(MultiplyAdds);
    }

    private sealed class ReadJob(int threads) : LimitJob
    {
        // The same memory, with the same pages, that weights are in.
        private readonly HostBuffer<byte>?[] _memory = new HostBuffer<byte>?[threads];

        public override double UnitsPerPart => BytesPerRun;

        public override void Run(int part)
        {
            if (_memory[part] is not { } memory)
            {
                _memory[part] = memory = new HostBuffer<byte>(BytesPerThread);
                // Pages that nobody wrote are all the same page of zeros.
                NativeMemory.Fill(memory.Data, (nuint)BytesPerThread, 1);
            }
            Sink[part] = Sum((float*)(memory.Data + (Repeat * BytesPerRun % BytesPerThread)), BytesPerRun / sizeof(float));
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
}
