using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Steer.Cli.Runs;

/// <summary>How fast this machine's processors read memory together: the limit of decoding, which reads every weight for every step.</summary>
internal static class MemoryBandwidth
{
    // Beyond the last cache of most machines.
    private const int BytesPerThread = 256 << 20;
    private const int Passes = 3;

    /// <summary>Bytes per second, the best of several passes.</summary>
    /// <param name="threads">Threads that read, each a part of its own.</param>
    public static double Measure(int threads)
    {
        int length = BytesPerThread / threads / sizeof(ulong);
        ulong[][] parts = [.. Enumerable.Range(0, threads).Select(_ => new ulong[length])];

        // Pages that were never written all map to the same page of zeros.
        foreach (ulong[] part in parts)
            Array.Fill(part, 1UL);
        double best = 0;
        for (int pass = 0; pass < Passes; pass++)
        {
            long started = Stopwatch.GetTimestamp();
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, i => Sum(parts[i]));
            best = Math.Max(best, (double)threads * length * sizeof(ulong) / Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        return best;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong Sum(ReadOnlySpan<ulong> numbers)
    {
        int width = Vector<ulong>.Count;
        Vector<ulong> a = default, b = default, c = default, d = default;
        for (int i = 0; i <= numbers.Length - 4 * width; i += 4 * width)
        {
            a += new Vector<ulong>(numbers[i..]);
            b += new Vector<ulong>(numbers[(i + width)..]);
            c += new Vector<ulong>(numbers[(i + 2 * width)..]);
            d += new Vector<ulong>(numbers[(i + 3 * width)..]);
        }

        return Vector.Sum(a + b + c + d);
    }
}
