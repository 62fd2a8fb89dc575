using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Steer.Runtime.Datasets;

/// <summary>README.md of an exported data set: the front matter that dataset hubs read, and how the examples were made.</summary>
internal static class DatasetCard
{
    public static string Write(string job, JsonObject manifest, ExportOptions options, int train, int test)
    {
        var config = DatasetManifest.Config(manifest, job);
        var progress = DatasetProgress.Read(job);
        string extension = DatasetExport.Extension(options.Format);
        var card = new StringBuilder();
        void Line(FormattableString line) => card.Append(FormattableString.Invariant(line)).Append('\n');

        Line($"---");
        Line($"license: {options.License}");
        Line($"size_categories:\n- {SizeCategory(train + test)}");
        Line($"tags:\n- synthetic\n- steer");
        Line($"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train.{extension}");
        if (options.TestShare > 0)
            Line($"  - split: test\n    path: test.{extension}");
        Line($"---\n");
        Line($"# Synthetic examples made with Steer\n");
        Line($"{train + test:n0} texts of a fine-tuned language model, steered while they were made: away from the model that it was fine-tuned from (contrastive expert guidance)");
        Line($"and away from examples that existed already (negative prompting), as in arXiv 2308.07645.\n");
        Line($"| figure | value |\n|---|---|");
        Line($"| train, test | {train:n0}, {test:n0} |");
        Line($"| preset, gamma, eta | {config.Guidance.Preset.ToString().ToLowerInvariant()}, {Sweep(config.GammaSweep, config.Guidance.Gamma)}, {Sweep(config.EtaSweep, config.Guidance.Eta)} |");
        Line($"| negatives per example | {config.Negatives}, {(config.GrowPool ? "of real and accepted examples" : "of real examples")} |");
        Line($"| seed, items of a round | {config.Seed}, {config.RoundSize} |");
        Line($"| refused | {(progress.Rejected.Count == 0 ? "none" : string.Join(", ", progress.Rejected.Select(r => $"{r.Key} {r.Value}")))} |");
        Line($"| generated tokens | {progress.Tokens:n0} |");
        foreach (var (name, hash) in manifest["hashes"] as JsonObject ?? [])
            Line($"| {name} (XxHash128) | {hash} |");
        Line($"\nThe prompt:\n\n```text\n{config.Prompt}\n```");
        return card.ToString();
    }

    private static string Sweep(IReadOnlyList<float> sweep, float? constant) => sweep.Count == 0
        ? constant?.ToString(CultureInfo.InvariantCulture) ?? "default"
        : string.Join(" ", sweep.Select(v => v.ToString(CultureInfo.InvariantCulture)));

    private static string SizeCategory(int count) => count switch
    {
        < 1_000 => "n<1K",
        < 10_000 => "1K<n<10K",
        < 100_000 => "10K<n<100K",
        < 1_000_000 => "100K<n<1M",
        _ => "1M<n<10M",
    };
}
