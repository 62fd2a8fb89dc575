using System.Diagnostics;
using System.Globalization;
using Steer.Kernels;
using Steer.Kernels.Gpu;
using Steer.Kernels.Host;
using Steer.Kernels.Profiling;

namespace Steer.Benchmarks;

/// <summary>
/// The main figures as a table: the median and the best of runs over a third of a second. Rates and shares are the best's, as the limits are the best
/// of several runs too; a median far from it tells of other work on the machine.
/// </summary>
internal static class QuickTable
{
    // Runs of a GPU to a wait: they are recorded and replayed as one, as a decoder's steps are, so that the host's launches do not count.
    private const int RunsPerReplay = 16;

    private static readonly TimeSpan Duration = TimeSpan.FromMilliseconds(350);

    /// <summary>Measures and prints workloads of the CPU device.</summary>
    public static void Print(IEnumerable<Workload> workloads, InstructionSet instructionSet)
    {
        using var device = new HostDevice(new HostDeviceOptions { InstructionSet = instructionSet });
        using var limits = new MachineLimits();
        Console.WriteLine(device.Description);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"limits: {1e-9 * limits.Float32:F0} GFLOP/s in registers ({1e-9 * limits.BF16:F0} in bf16, {1e-9 * limits.Int8:F0} in 8 bits), {1e-9 * limits.Memory:F1} GB/s from memory"));
        Print(device, workloads, w => limits.Seconds(w.Flops, w.Bytes, w.Format), w => w.Run, runs: 1);
    }

    /// <summary>Measures and prints workloads of a GPU.</summary>
    public static void Print(IEnumerable<Workload> workloads, string gpu)
    {
        using var device = IlgpuDevice.Create(gpu);
        var limits = GpuLimits.Of(device.Accelerator);
        Console.WriteLine(device.Description);
        Console.WriteLine(limits);
        int keys = 0;
        Print(device, workloads, limits.Seconds, w => Replayed(w, new StepKey(keys++)), RunsPerReplay);

        Action Replayed(Workload workload, StepKey key) => () =>
        {
            device.Repeat(key, 1, () =>
            {
                for (int i = 0; i < RunsPerReplay; i++)
                    workload.Run();
            });
            device.Synchronize();
        };
    }

    private static void Print(
        Device device, IEnumerable<Workload> workloads, Func<Workload, double> limit, Func<Workload, Action> runner, int runs)
    {
        Console.WriteLine();
        Console.WriteLine($"{"",-58} {"median",11} {"best",11} {"GFLOP/s",8} {"GB/s",6} {"of limit",9}");
        foreach (var workload in workloads)
        {
            workload.Setup(device);
            var (median, best) = Measure(runner(workload));
            (median, best) = (median / runs, best / runs);
            string bandwidth = workload.Bytes > 0 ? Invariant($"{1e-9 * workload.Bytes / best:F1}") : "";
            string share = limit(workload) is > 0 and var least ? Invariant($"{least / best:P0}") : "";
            Console.WriteLine(Invariant($"{workload.Name,-58} {1e6 * median,8:F1} us {1e6 * best,8:F1} us")
                + Invariant($" {1e-9 * workload.Flops / best,8:F1} {bandwidth,6} {share,9}").TrimEnd());
            workload.Dispose();
        }
    }

    private static (double Median, double Best) Measure(Action run)
    {
        for (int i = 0; i < 3; i++)
            run();
        var times = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        while (times.Count < 5 || Stopwatch.GetElapsedTime(begin) < Duration)
        {
            long start = Stopwatch.GetTimestamp();
            run();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        times.Sort();
        return (times[times.Count / 2], times[0]);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
