using BenchmarkDotNet.Running;
using Steer.Benchmarks;

// `quick [text]`: a table of the main figures in less than a minute, or of those whose name contains the text.
// `metrics`: the evaluation metrics on 5,000 + 5,000 texts.
// Anything else is BenchmarkDotNet's own command line, such as `--filter *`.
if (args is ["quick", ..])
    QuickTable.Print(WorkloadList.All().Where(w => args.Length < 2 || w.Name.Contains(args[1], StringComparison.OrdinalIgnoreCase)));
else if (args is ["metrics"])
    MetricsTable.Print();
else
    BenchmarkSwitcher.FromAssembly(typeof(QuickTable).Assembly).Run(args);
