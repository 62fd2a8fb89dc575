using System.CommandLine;
using System.Globalization;
using System.Text;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Cli.Runs;
using Steer.Kernels.Profiling;
using Steer.Runtime;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Commands;

/// <summary>`steer bench`: how fast whole runs are.</summary>
internal sealed class BenchCommand : SteerCommand
{
    private const float DefaultGamma = 0.3f;

    private readonly ModelFlags _models;
    private readonly BenchFlags _flags;
    private readonly GuidanceFlags _guidance;
    private readonly ListingFlags _output;
    private readonly EngineFlags _engine;

    public BenchCommand(Terminal terminal)
        : base("bench", "Measures prefill and decode, plain and guided, at several batch sizes.", terminal)
    {
        Subcommands.Add(new BenchSynthCommand(terminal));
        _models = Add(new ModelFlags());
        _flags = Add(new BenchFlags());
        _guidance = Add(new GuidanceFlags());
        _output = Add(new ListingFlags("One object per line."));
        _engine = Add(new EngineFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer bench --task astronomy --batch 1,8 --gamma 0.3 --eta 0.2", "The small pair with a base, an expert and a negative branch."),
        ("steer bench --base DIR --expert DIR --batch 1,4,16", "Your own models."),
        ("steer bench --shape 134M --weights f32 --batch 1", "A random model of 134M parameters with a random adapter."),
        ("steer bench --base DIR --weights bf16 --batch 8 --profile", "Where the time goes, kernel by kernel."),
    ];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        int rank = _flags.Rank(parsed);
        var shape = _flags.Shape(parsed);
        if (shape is not null && _models.AreGiven(parsed))
            throw new SteerException("--shape makes models of its own: give it, or a task and models, but not both.");
        using var random = shape is not null ? new SyntheticPair(shape, rank) : null;
        var models = random is null ? _models.Resolve(parsed) : new ModelChoice { Base = random.Base, Expert = rank > 0 ? random.Expert : null };
        var guidance = _guidance.Apply(parsed, models, hasContext: false);
        if (guidance is { Preset: GuidancePreset.Steer, Gamma: null or 0, Eta: 0 } && models.Expert is not null)
            guidance = guidance with { Gamma = DefaultGamma };
        int[] batches = _flags.Batches(parsed);
        var options = _engine.Apply(parsed, models.ToOptions());
        // Nothing is shared between random prompts; blocks kept for others like them would have each run meet memory that the warm-up has not
        // touched.
        options = options with { MaxBatch = Math.Max(options.MaxBatch, batches.Max()), SharePrefixes = false, Profile = _flags.Profile(parsed) };
        using var engine = SteerEngine.Load(options, (_, _) => stop.ThrowIfCancellationRequested());
        foreach (string warning in engine.Warnings)
            Terminal.Error.WriteLine("steer: " + warning);
        _flags.CheckWindow(parsed, engine.MaxPositions, guidance.Eta > 0);
        var run = new BenchRun(engine, _flags.PromptTokens(parsed), _flags.NegativeTokens(parsed), _flags.MaxTokens(parsed));
        // What other tenants of a machine leave changes from second to second: limits are taken before and after, and the best of both counts.
        using var limits = options.Device == "cpu" ? new MachineLimits(options.Threads) : null;
        var results = new List<BenchResult>();
        foreach (int batch in batches)
        {
            results.Add(await run.MeasureAsync("plain", new GuidanceParams { Preset = GuidancePreset.Plain }, batch, stop).ConfigureAwait(false));
            if (guidance.Preset != GuidancePreset.Plain)
                results.Add(await run.MeasureAsync("guided", guidance, batch, stop).ConfigureAwait(false));
        }

        limits?.Refine();
        if (_output.Json(parsed))
            WriteJson(results, limits);
        else
            WriteTable(engine, results, limits);
        return ExitCode.Ok;
    }

    private void WriteJson(List<BenchResult> results, MachineLimits? limits)
    {
        using var lines = new JsonLines(ResultStream.ToStandardOutput(Terminal));
        foreach (var result in results)
        {
            lines.Write(json =>
            {
                json.WriteString("mode", result.Mode);
                json.WriteNumber("batch", result.Batch);
                json.WriteNumber("branches", result.Branches);
                json.WriteFinite("prefill_tokens_per_second", result.PrefillRate);
                json.WriteFinite("decode_tokens_per_second", result.DecodeRate);
                json.WriteFinite("weight_bytes_per_second", result.WeightRate);
                if (limits is not null)
                    json.WriteFinite("memory_bytes_per_second", limits.Memory);
                foreach (var profile in result.Profiles)
                    ProfileReport.Write(json, new Roofline(profile, limits));
            });
        }
    }

    private void WriteTable(SteerEngine engine, List<BenchResult> results, MachineLimits? limits)
    {
        var columns = new Columns(
            ["run", "batch", "branches", "prefill\ntokens/s", "decode\ntokens/s", "of plain\ndecode", "weights\nread GB/s", "of memory\nbandwidth"],
            [7, 6, 10, 10, 10, 10, 11, 11],
            Terminal.Width);
        var page = new StringBuilder(columns.Head());
        foreach (var r in results)
        {
            var plain = results.First(p => p.Mode == "plain" && p.Batch == r.Batch);
            page.Append(columns.Row(
            [
                r.Mode, Text($"{r.Batch}"), Text($"{r.Branches}"), Text($"{r.PrefillRate:n0}"), Text($"{r.DecodeRate:n0}"),
                ReferenceEquals(plain, r) ? "" : Text($"{r.DecodeRate / plain.DecodeRate:0%}"), Text($"{r.WeightRate / 1e9:0.0}"),
                limits is null ? "" : Text($"{r.WeightRate / limits.Memory:0%}"),
            ]));
        }

        foreach (var r in results)
        {
            foreach (var profile in r.Profiles)
            {
                page.Append(ProfileReport.Text(
                    Text($"{r.Mode}, batch {r.Batch}, {(profile.IsPrefill ? "prefill" : "decode")}"), new Roofline(profile, limits), Terminal.Width));
            }
        }

        string device = engine.DeviceDescription;
        page.Append('\n').Append(device.Length <= Terminal.Width ? device : device.Replace(", ", ",\n", StringComparison.Ordinal)).Append('\n');
        if (limits is not null)
            page.Append(Text($"memory: {1e-9 * limits.Memory:0.0} GB/s, measured in this run\n"));
        Terminal.WriteOutput(page.ToString());
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
