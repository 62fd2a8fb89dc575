using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using Steer.Kernels.Gpu;

namespace Steer.Benchmarks;

/// <summary>Kernels on the GPUs of this machine, beside what each could do at most.</summary>
[Config(typeof(Configuration))]
public class GpuKernelBenchmarks
{
    private IlgpuDevice? _device;

    /// <summary>GPUs of this machine; none where there is no driver. Processors that OpenCL drives are none.</summary>
    public static IEnumerable<string> Devices { get; } = [.. IlgpuDevice.List().Where(d => d.IsGpu).Select(d => d.Name)];

    /// <summary>What is measured.</summary>
    public static IEnumerable<Workload> Workloads => WorkloadList.ForGpus();

    /// <summary>Where it is measured.</summary>
    [ParamsSource(nameof(Devices))]
    public string Device { get; set; } = "";

    /// <summary>What is measured now.</summary>
    [ParamsSource(nameof(Workloads))]
    public Workload? Workload { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = IlgpuDevice.Create(Device);
        Workload!.Setup(_device);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        Workload!.Dispose();
        _device!.Dispose();
    }

    /// <summary>Several runs to a wait, so that the time of a launch is hidden as it is in a decoder's step.</summary>
    [Benchmark(OperationsPerInvoke = 16)]
    public void Kernel()
    {
        for (int i = 0; i < 16; i++)
            Workload!.Run();
        _device!.Synchronize();
    }

    private sealed class Configuration : ManualConfig
    {
        private readonly Dictionary<string, GpuLimits> _limits = [];

        public Configuration() => Add(RateColumn.Configure((run, work) => LimitsOf((string)run.Parameters[nameof(Device)]).Seconds(work)));

        private GpuLimits LimitsOf(string name)
        {
            if (!_limits.TryGetValue(name, out GpuLimits? limits))
            {
                using IlgpuDevice device = IlgpuDevice.Create(name);
                _limits.Add(name, limits = GpuLimits.Of(device.Accelerator));
            }

            return limits;
        }
    }
}
