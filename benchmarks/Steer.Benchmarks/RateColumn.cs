using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;

namespace Steer.Benchmarks;

/// <summary>A rate that follows from a workload, its median time and its device.</summary>
internal sealed class RateColumn(string name, string format, Func<BenchmarkCase, Workload, double, double?> rate) : IColumn
{
    public string Id => name;

    public string ColumnName => name;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => $"{name} at the median time";

    /// <summary>In this process, with columns for rates and the share of a limit.</summary>
    /// <param name="seconds">The shortest time in which a workload could be done.</param>
    public static ManualConfig Configure(Func<BenchmarkCase, Workload, double> seconds) => new ManualConfig()
        .AddJob(Job.ShortRun.WithToolchain(InProcessNoEmitToolchain.Instance).WithIterationCount(7))
        .AddColumn(
            new RateColumn("GFLOP/s", "F1", (_, work, time) => 1e-9 * work.Flops / time),
            new RateColumn("GB/s", "F1", (_, work, time) => work.Bytes > 0 ? 1e-9 * work.Bytes / time : null),
            new RateColumn("Of limit", "P0", (run, work, time) => seconds(run, work) is > 0 and var least ? least / time : null))
        .WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(60));

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        if (summary[benchmarkCase]?.ResultStatistics is not { } statistics)
            return "?";
        var workload = (Workload)benchmarkCase.Parameters[nameof(KernelBenchmarks.Workload)];
        return rate(benchmarkCase, workload, 1e-9 * statistics.Median)?.ToString(format, CultureInfo.InvariantCulture) ?? "";
    }

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => true;
}
