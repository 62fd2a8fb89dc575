using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using Steer.Kernels.Host;
using Steer.Kernels.Profiling;

namespace Steer.Benchmarks;

/// <summary>Kernels of the CPU device, in one process with the limits that they are held against.</summary>
[Config(typeof(Configuration))]
public class KernelBenchmarks
{
    private static readonly MachineLimits Limits = new();

    private HostDevice? _device;

    /// <summary>What is measured.</summary>
    public static IEnumerable<Workload> Workloads => WorkloadList.All();

    /// <summary>What is measured now.</summary>
    [ParamsSource(nameof(Workloads))]
    public Workload? Workload { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Limits.Refine();
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
        public Configuration() =>
            Add(RateColumn.Configure((_, work) => Limits.Seconds(work.Flops, work.Bytes, work.Format)));
    }
}
