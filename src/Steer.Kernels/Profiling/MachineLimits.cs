using System.Diagnostics;
using Steer.Kernels.Host;
using Steer.Kernels.Host.CodeGen;

namespace Steer.Kernels.Profiling;

/// <summary>
/// What this machine's processors can do at most, measured here and now with all threads: multiply-adds in registers with the widest vectors, and
/// sums over memory of several sizes, from what the nearest caches hold to what none does.
/// </summary>
public sealed class MachineLimits : IDisposable
{
    // Many short runs, of which the best counts: on a machine with other work some of them find it idle.
    private const int LeastRuns = 8;
    private static readonly TimeSpan Duration = TimeSpan.FromMilliseconds(100);
    private const long LeastBytes = 256L << 10;
    private const long MostBytes = 256L << 20;
    private const long MostBytesPerThread = 16L << 20;

    private readonly ThreadTeam _team;
    private readonly MultiplyAddJob _float = new();
    private readonly MachineCodeJob? _bf16 = MachineCodeJob.BF16();
    private readonly MachineCodeJob? _int8 = MachineCodeJob.Int8();
    private readonly ReadJob _read;
    private readonly List<(long Bytes, double Rate)> _rates = [];

    /// <summary>Measures with as many threads; 0 for the processors that this process may use. Takes about a second.</summary>
    /// <exception cref="OutOfMemoryException">There is less memory than is read.</exception>
    public MachineLimits(int threads = 0)
    {
        _team = new ThreadTeam(threads > 0 ? threads : Environment.ProcessorCount);
        try
        {
            // Machines with many processors have large caches.
            long most = Math.Max(MostBytes, _team.Threads * MostBytesPerThread);
            _read = new ReadJob(_team.Threads, most);
            for (long bytes = LeastBytes; bytes < most; bytes *= 4)
                _rates.Add((bytes, 0));
            _rates.Add((most, 0));
            Refine();
        }
        catch
        {
            _team.Dispose();
            _read?.Dispose();
            throw;
        }
    }

    /// <summary>Float32 multiply-adds in registers, operations per second; a multiply-add is two.</summary>
    public double Float32 { get; private set; }

    /// <summary>Multiply-adds of pairs of bfloat16; those of float32 where the processor has none.</summary>
    public double BF16 { get; private set; }

    /// <summary>Multiply-adds of bytes; those of float32 where the processor has none.</summary>
    public double Int8 { get; private set; }

    /// <summary>Reading of memory far larger than the caches, bytes per second.</summary>
    public double Memory => _rates[^1].Rate;

    /// <summary>Measures once more and keeps what is best.</summary>
    public void Refine()
    {
        Float32 = Math.Max(Float32, Best(_float));
        BF16 = Math.Max(BF16, _bf16 is null ? Float32 : Best(_bf16));
        Int8 = Math.Max(Int8, _int8 is null ? Float32 : Best(_int8));
        for (int i = 0; i < _rates.Count; i++)
        {
            _read.WorkingSet = _rates[i].Bytes;
            _rates[i] = _rates[i] with { Rate = Math.Max(_rates[i].Rate, Best(_read)) };
        }
    }

    /// <summary>Operations per second of products with this format.</summary>
    public double OperationsPerSecond(WeightFormat format) => format switch
    {
        (DType.BF16, true) => BF16,
        (DType.Int8 or DType.Int4, true) => Int8,
        _ => Float32,
    };

    /// <summary>
    /// Bytes per second at which so many bytes are read again and again: the rate of the largest size measured that is not above it.
    /// </summary>
    public double BytesPerSecond(double bytes) => _rates[Math.Max(0, _rates.FindLastIndex(r => r.Bytes <= bytes))].Rate;

    /// <summary>The shortest time, in seconds, in which work of this size could be done with products of this format.</summary>
    /// <param name="operations">Float or integer operations.</param>
    /// <param name="bytes">Bytes that no cache holds.</param>
    /// <param name="format">What is multiplied.</param>
    public double Seconds(double operations, double bytes, WeightFormat format = default) =>
        Math.Max(operations / OperationsPerSecond(format), bytes / Memory);

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _read.Dispose();
    }

    // Most units per second that all threads together reached.
    private double Best(LimitJob job)
    {
        double best = 0;
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < LeastRuns || Stopwatch.GetElapsedTime(begin) < Duration; i++)
        {
            long start = Stopwatch.GetTimestamp();
            _team.Run(job, _team.Threads);
            best = Math.Max(best, job.UnitsPerPart * _team.Threads / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }
}
