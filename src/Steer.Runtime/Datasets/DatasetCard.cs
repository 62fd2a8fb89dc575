using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Datasets;

/// <summary>
/// README.md of an exported data set: the front matter that dataset hubs read, how the examples were made, and the commands that make them again.
/// </summary>
internal sealed class DatasetCard
{
    private readonly JsonObject _manifest;
    private readonly DatasetJobConfig _config;
    private readonly DatasetProgress _progress;
    private readonly ExportOptions _options;
    private readonly IReadOnlyList<ExportRow> _train;
    private readonly IReadOnlyList<ExportRow> _test;
    private readonly StringBuilder _text = new();

    private DatasetCard(string job, JsonObject manifest, ExportOptions options, IReadOnlyList<ExportRow> train, IReadOnlyList<ExportRow> test)
    {
        (_manifest, _options, _train, _test) = (manifest, options, train, test);
        (_config, _progress) = (DatasetManifest.Config(manifest, job), DatasetProgress.Read(job));
    }

    /// <summary>Writes the card.</summary>
    public static string Write(string job, JsonObject manifest, ExportOptions options, IReadOnlyList<ExportRow> train, IReadOnlyList<ExportRow> test)
    {
        var card = new DatasetCard(job, manifest, options, train, test);
        card.FrontMatter();
        card.Method();
        card.Table();
        card.Prompts();
        card.Commands();
        return card._text.ToString();
    }

    private IEnumerable<(string Name, string Hash)> Hashes =>
        (_manifest["hashes"] as JsonObject ?? []).Select(h => (h.Key, h.Value?.ToString() ?? ""));

    private void Line(FormattableString line) => _text.Append(FormattableString.Invariant(line)).Append('\n');

    private void FrontMatter()
    {
        string extension = DatasetExport.Extension(_options.Format);
        Line($"---");
        Line($"license: {_options.License}");
        Line($"size_categories:\n- {SizeCategory(_train.Count + _test.Count)}");
        Line($"tags:\n- synthetic\n- steer");
        Line($"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train.{extension}");
        if (_options.TestShare > 0)
            Line($"  - split: test\n    path: test.{extension}");
        Line($"steer:\n  version: {Quoted($"{_manifest["steer"]}")}\n  method: arXiv 2308.07645\n  preset: {Preset()}");
        Line($"  gamma: {Yaml(_config.GammaSweep, _config.Guidance.Gamma)}\n  eta: {Yaml(_config.EtaSweep, _config.Guidance.Eta)}");
        Line($"  negatives: {_config.Negatives}\n  seed: {_config.Seed}\n  train: {_train.Count}\n  test: {_test.Count}\n  hashes:");
        foreach (var (name, hash) in Hashes)
            Line($"    {Quoted(name)}: {Quoted(hash)}");
        Line($"---\n");
    }

    private void Method()
    {
        Line($"# Synthetic examples made with Steer\n");
        Line($"Texts of a language model ({_train.Count + _test.Count:n0}), steered while they were made: towards a fine-tuned expert and away");
        Line($"from the model that it was fine-tuned from (contrastive expert guidance, gamma), and away from examples that existed already");
        Line($"(negative prompting, eta), as in arXiv 2308.07645.\n");
    }

    private void Table()
    {
        Line($"| figure | value |\n|---|---|");
        Line($"| train, test | {_train.Count:n0}, {_test.Count:n0} |");
        foreach (var label in _config.Labels)
            Row($"label {label.Name}: train, test", $"{_train.Count(r => r.Label == label.Name):n0}, {_test.Count(r => r.Label == label.Name):n0}");
        Row(
            "preset, gamma, eta",
            $"{Preset()}, {Plain(_config.GammaSweep, _config.Guidance.Gamma)}, {Plain(_config.EtaSweep, _config.Guidance.Eta)}");
        string choice = _config.NegativeChoice == NegativeChoice.Similar ? " most similar ones" : "";
        Row("negatives per example", $"{_config.Negatives}{choice}, of {(_config.GrowPool ? "real and accepted" : "real")} examples");
        if (_config.TemplateVariables is { } variables)
            Row("variables of the chat template", $"{JsonSerializer.Serialize(variables)}");
        Row("seed, items of a round", $"{_config.Seed}, {_config.RoundSize}");
        Row("refused", $"{(_progress.Rejected.Count == 0 ? "none" : string.Join(", ", _progress.Rejected.Select(r => $"{r.Key} {r.Value}")))}");
        Row("given up", $"{_progress.GivenUp:n0}");
        Row("generated tokens", $"{_progress.Tokens:n0}");
        if (_progress is { Diversity: { } diversity, RealDiversity: { } real })
            Row("diversity of the last 500, of as many real examples", $"{diversity:0.000}, {real:0.000}");
        int[] copied = [.. _train.Concat(_test).Select(r => r.CopiedRun).Order()];
        if (copied.Length > 0)
            Row("longest run of words that a real example has too: median, most", $"{copied[copied.Length / 2]}, {copied[^1]}");
        Row("device, weights", $"{_manifest["device"]}, {_manifest["weights"]?.ToString() ?? "as they are stored"}");
        foreach (var (name, hash) in Hashes)
            Row($"{name} (XxHash128)", $"{hash}");
    }

    private void Prompts()
    {
        var prompts = _config.Labels.Count == 0 ? [("", _config.Prompt)] : _config.Labels.Select(l => ($" of {l.Name}", l.Prompt));
        if (_config.System is { } system)
            prompts = prompts.Prepend((" of the system", system));
        foreach (var (name, prompt) in prompts)
        {
            // Longer than any row of backticks in the prompt, so that nothing in it ends the block.
            string fence = new('`', 3);
            while (prompt.Contains(fence, StringComparison.Ordinal))
                fence += '`';
            Line($"\nThe prompt{name}:\n\n{fence}text\n{prompt}\n{fence}");
        }
    }

    private void Commands()
    {
        if (_manifest[DatasetManifest.CommandName] is not JsonValue given || !given.TryGetValue(out string? command))
            return;
        Line($"\nMade by Steer {_manifest["steer"]} with\n\n```sh");
        string[] commands = command.Split('\n');
        for (int i = 0; i < commands.Length; i++)
            Line($"{commands[i]} --out {(commands.Length == 1 ? "job" : $"part{i}")}");
        if (commands.Length > 1)
            Line($"steer dataset merge {string.Join(' ', commands.Select((_, i) => $"part{i}"))} --out job");
        Line($"steer dataset export job {_options.Flags()} --out DIR\n```");
    }

    private void Row(string name, FormattableString value) => Line($"| {Cell(name)} | {Cell(FormattableString.Invariant(value))} |");

    private string Preset() => _config.Guidance.Preset.Name();

    private static string Cell(string text) => text.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);

    /// <summary>A JSON text, which YAML reads as the same.</summary>
    private static string Quoted(string text) => JsonSerializer.Serialize(text);

    private static string Yaml(IReadOnlyList<float> sweep, float? constant) => sweep.Count == 0
        ? constant?.ToString(CultureInfo.InvariantCulture) ?? "default"
        : $"[{string.Join(", ", sweep.Select(v => v.ToString(CultureInfo.InvariantCulture)))}]";

    private static string Plain(IReadOnlyList<float> sweep, float? constant) =>
        Yaml(sweep, constant).Trim('[', ']').Replace(",", "", StringComparison.Ordinal);

    private static string SizeCategory(int count) => count switch
    {
        < 1_000 => "n<1K",
        < 10_000 => "1K<n<10K",
        < 100_000 => "10K<n<100K",
        < 1_000_000 => "100K<n<1M",
        _ => "1M<n<10M",
    };
}
