using System.Diagnostics;
using System.Globalization;
using Steer.Kernels.Host;
using Steer.Kernels.Profiling;

namespace Steer.Benchmarks;

/// <summary>
/// The main figures as a table: the median and the best of runs over a third of a second. Rates and shares are the best's, as the limits are the best
/// of several runs too; a median far from it tells of other work on the machine.
/// </summary>
internal static class QuickTable
{
    private static readonly TimeSpan Duration = TimeSpan.FromMilliseconds(350);

    /// <summary>Measures and prints.</summary>
    public static void Print(IEnumerable<Workload> workloads, InstructionSet instructionSet)
    {
        using var device = new HostDevice(new HostDeviceOptions { InstructionSet = instructionSet });
        using var limits = new MachineLimits();
        Console.WriteLine(device.Description);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"limits: {1e-9 * limits.Float32:F0} GFLOP/s in registers ({1e-9 * limits.BF16:F0} in bf16, {1e-9 * limits.Int8:F0} in 8 bits), {1e-9 * limits.Memory:F1} GB/s from memory"));
        Console.WriteLine();
        Console.WriteLine($"{"",-58} {"median",11} {"best",11} {"GFLOP/s",8} {"GB/s",6} {"of limit",9}");
        foreach (var workload in workloads)
        {
            workload.Setup(device);
            var (median, best) = Measure(workload);
            string bandwidth = workload.Bytes > 0 ? Invariant($"{1e-9 * workload.Bytes / best:F1}") : "";
            double share = limits.Seconds(workload.Flops, workload.Bytes, workload.Format) / best;
            Console.WriteLine(Invariant($"{workload.Name,-58} {1e6 * median,8:F1} us {1e6 * best,8:F1} us")
                + Invariant($" {1e-9 * workload.Flops / best,8:F1} {bandwidth,6} {share,9:P0}"));
            workload.Dispose();
        }
    }

    private static (double Median, double Best) Measure(Workload workload)
    {
        for (int i = 0; i < 3; i++)
            workload.Run();
        var times = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        while (times.Count < 5 || Stopwatch.GetElapsedTime(begin) < Duration)
        {
            long start = Stopwatch.GetTimestamp();
            workload.Run();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        times.Sort();
        return (times[times.Count / 2], times[0]);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
