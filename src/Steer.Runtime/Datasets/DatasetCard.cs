using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Steer.Runtime.Datasets;

/// <summary>README.md of an exported data set: the front matter that dataset hubs read, and how the examples were made.</summary>
internal static class DatasetCard
{
    public static string Write(string job, JsonObject manifest, ExportOptions options, IReadOnlyList<ExportRow> trainRows, IReadOnlyList<ExportRow> testRows)
    {
        var (train, test) = (trainRows.Count, testRows.Count);
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
        foreach (var label in config.Labels)
            Line($"| label {label.Name}: train, test | {trainRows.Count(r => r.Label == label.Name):n0}, {testRows.Count(r => r.Label == label.Name):n0} |");
        Line($"| preset, gamma, eta | {config.Guidance.Preset.ToString().ToLowerInvariant()}, {Sweep(config.GammaSweep, config.Guidance.Gamma)}, {Sweep(config.EtaSweep, config.Guidance.Eta)} |");
        Line($"| negatives per example | {config.Negatives}{(config.NegativeChoice == NegativeChoice.Similar ? " most similar ones" : "")}, {(config.GrowPool ? "of real and accepted examples" : "of real examples")} |");
        Line($"| seed, items of a round | {config.Seed}, {config.RoundSize} |");
        Line($"| refused | {(progress.Rejected.Count == 0 ? "none" : string.Join(", ", progress.Rejected.Select(r => $"{r.Key} {r.Value}")))} |");
        Line($"| generated tokens | {progress.Tokens:n0} |");
        foreach (var (name, hash) in manifest["hashes"] as JsonObject ?? [])
            Line($"| {name} (XxHash128) | {hash} |");
        foreach (var (name, prompt) in config.Labels.Count == 0 ? [("", config.Prompt)] : config.Labels.Select(l => ($" of {l.Name}", l.Prompt)))
            Line($"\nThe prompt{name}:\n\n```text\n{prompt}\n```");
        if (manifest[DatasetManifest.CommandName]?.GetValue<string>() is not { } command)
            return card.ToString();
        Line($"\nMade by Steer {manifest["steer"]} with\n\n```sh");
        string[] commands = command.Split('\n');
        for (int i = 0; i < commands.Length; i++)
            Line($"{commands[i]} --out {(commands.Length == 1 ? "job" : $"part{i}")}");
        if (commands.Length > 1)
            Line($"steer dataset merge {string.Join(' ', commands.Select((_, i) => $"part{i}"))} --out job");
        Line($"steer dataset export job {options.Flags()} --out DIR\n```");
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
