using BenchmarkDotNet.Running;
using Steer.Benchmarks;
using Steer.Kernels.Host;

// `quick [text] [instruction set]`: a table of the main figures, or of those whose name contains the text, with all or some of the processor's instructions.
// `gpu [text]`: the same of every GPU of this machine.
// `metrics`: the evaluation metrics on 5,000 + 5,000 texts.
// `dataset [duplicates|resume|job]`: what a dataset job adds to the engine.
// Anything else is BenchmarkDotNet's own command line, such as `--filter *`.
if (args is ["quick", ..])
{
    QuickTable.Print(Named(WorkloadList.All()), args.Length < 3 ? InstructionSet.Auto : Enum.Parse<InstructionSet>(args[2], ignoreCase: true));
}
else if (args is ["gpu", ..])
{
    if (!GpuKernelBenchmarks.Devices.Any())
        Console.WriteLine("There is no GPU here.");
    foreach (string gpu in GpuKernelBenchmarks.Devices)
        QuickTable.Print(Named(WorkloadList.ForGpus()), gpu);
}
else if (args is ["metrics"])
{
    MetricsTable.Print();
}
else if (args is ["dataset", ..])
{
    await DatasetTable.PrintAsync(args.Length < 2 ? null : args[1]);
}
else
{
    Type[] benchmarks = GpuKernelBenchmarks.Devices.Any() ? [typeof(KernelBenchmarks), typeof(GpuKernelBenchmarks)] : [typeof(KernelBenchmarks)];
    BenchmarkSwitcher.FromTypes(benchmarks).Run(args);
}

IEnumerable<Workload> Named(IEnumerable<Workload> workloads) =>
    workloads.Where(w => args.Length < 2 || w.Name.Contains(args[1], StringComparison.OrdinalIgnoreCase));
