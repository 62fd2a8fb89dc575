using System.Globalization;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;
using Steer.Kernels.Host;

namespace Steer.Benchmarks;

/// <summary>Kernels of the CPU device, in one process with the limits that they are held against.</summary>
[Config(typeof(Configuration))]
public class KernelBenchmarks
{
    private HostDevice? _device;

    /// <summary>What is measured.</summary>
    public static IEnumerable<Workload> Workloads => WorkloadList.All();

    /// <summary>What is measured now.</summary>
    [ParamsSource(nameof(Workloads))]
    public Workload? Workload { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Limits.OfThisMachine.Refine();
        _device = new HostDevice();
        Workload!.Setup(_device);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        Workload!.Dispose();
        _device!.Dispose();
    }

    [Benchmark]
    public void Kernel() => Workload!.Run();

    private sealed class Configuration : ManualConfig
    {
        public Configuration()
        {
            AddJob(Job.ShortRun.WithToolchain(InProcessNoEmitToolchain.Instance).WithIterationCount(7));
            AddColumn(
                new RateColumn("GFLOP/s", "F1", (work, seconds) => 1e-9 * work.Flops / seconds),
                new RateColumn("GB/s", "F1", (work, seconds) => work.Bytes > 0 ? 1e-9 * work.Bytes / seconds : null),
                new RateColumn("Of limit", "P0", (work, seconds) => Limits.OfThisMachine.Seconds(work.Flops, work.Bytes, work.Format) / seconds));
            WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(60));
        }
    }

    /// <summary>A rate that follows from a workload and its median time.</summary>
    private sealed class RateColumn(string name, string format, Func<Workload, double, double?> rate) : IColumn
    {
        public string Id => name;

        public string ColumnName => name;

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public string Legend => $"{name} at the median time";

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        {
            if (summary[benchmarkCase]?.ResultStatistics is not { } statistics)
                return "?";
            var workload = (Workload)benchmarkCase.Parameters[nameof(KernelBenchmarks.Workload)];
            return rate(workload, 1e-9 * statistics.Median)?.ToString(format, CultureInfo.InvariantCulture) ?? "";
        }

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public bool IsAvailable(Summary summary) => true;
    }
}
