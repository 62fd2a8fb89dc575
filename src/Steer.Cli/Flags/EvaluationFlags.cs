using System.CommandLine;
using Steer.Runtime.Evaluation;

namespace Steer.Cli.Flags;

/// <summary>What is compared, and how.</summary>
internal sealed class EvaluationFlags : FlagGroup
{
    private static readonly string[] MetricNames =
        [.. Enum.GetValues<MetricGroups>().Where(g => g is not (MetricGroups.None or MetricGroups.All)).Select(EvaluationJson.Name)];

    private readonly Option<string?> _real;
    private readonly Option<string?> _embeddings;
    private readonly Option<string?> _labelField;
    private readonly Option<string?> _metrics;
    private readonly Option<int?> _maxTexts;
    private readonly Option<int?> _maxWords;
    private readonly Option<int?> _maxDimensions;
    private readonly Option<int?> _bootstrap;
    private readonly Option<int?> _halfSamples;
    private readonly Option<bool> _noCeiling;
    private readonly Option<bool> _noCache;
    private readonly Option<ulong?> _seed;

    public EvaluationFlags()
        : base("Evaluation")
    {
        _real = Add(Flag.Path("--real", "FILE", "Real texts: JSONL with a field \"text\", or plain text. Default: the task's held-out examples."));
        _embeddings = Add(Flag.Path(
            "--embeddings", "FILE",
            "Embeddings from elsewhere: safetensors with the tensors real and synthetic [texts, dimensions], " +
            "or two files real.npy,synthetic.npy. Default: "
            + "the mean of the base's last hidden states, kept beside the texts."));
        _labelField = Add(Flag.Text(
            "--label-field", "NAME",
            "Field with the class of each text, for the check of what a classifier learns. Default: label, where there is one."));
        _metrics = Add(Flag.Parsed(
            "--metrics", "A,B", $"Metrics to compute: {string.Join(", ", MetricNames)}. Default: all.",
            $"names with commas between them, of {string.Join(", ", MetricNames)}",
            text => text.Split(',').All(MetricNames.Contains) ? text : null));
        _maxTexts = Add(Flag.Integer("--max-texts", "N", "Most texts of a side, drawn at random. Default: 5000."));
        _maxWords = Add(Flag.Integer("--max-words", "N", "Most words that n-grams are counted over. Default: those of the smaller side."));
        _maxDimensions = Add(Flag.Integer(
            "--max-dimensions", "N", "Wider embeddings are reduced to the N directions that hold most of their length. Default: 256."));
        _bootstrap = Add(Flag.Integer("--bootstrap", "N", "Resamples for the intervals of means and of the AUROC. Default: 1000."));
        _halfSamples = Add(Flag.Integer("--half-samples", "N", "Pairs of halves for all other intervals; 0 for none. Default: 20."));
        _noCeiling = Add(Flag.Switch("--no-ceiling", "Does not compare the halves of the real texts."));
        _noCache = Add(Flag.Switch("--no-cache", "Keeps no embeddings beside the texts, and reads none."));
        _seed = Add(Flag.Unsigned("--seed", "N", "Of subsets, halves, folds and clusters. Default: 0."));
    }

    public string? Real(ParseResult parsed) => parsed.GetValue(_real);

    public string? Embeddings(ParseResult parsed) => parsed.GetValue(_embeddings);

    public string? LabelField(ParseResult parsed) => parsed.GetValue(_labelField);

    public bool Cache(ParseResult parsed) => !parsed.GetValue(_noCache);

    /// <exception cref="Runtime.SteerException">A number is outside its range.</exception>
    public EvaluationOptions Read(ParseResult parsed)
    {
        var standard = new EvaluationOptions();
        var options = standard with
        {
            Seed = parsed.GetValue(_seed) ?? standard.Seed,
            Metrics = parsed.GetValue(_metrics) is { } names ? Groups(names) : standard.Metrics,
            Bootstrap = parsed.GetValue(_bootstrap) ?? standard.Bootstrap,
            HalfSamples = parsed.GetValue(_halfSamples) ?? standard.HalfSamples,
            Ceiling = !parsed.GetValue(_noCeiling),
            MaxTexts = parsed.GetValue(_maxTexts) ?? standard.MaxTexts,
            MaxDimensions = parsed.GetValue(_maxDimensions) ?? standard.MaxDimensions,
            MaxWords = parsed.GetValue(_maxWords),
        };
        options.Check();
        return options;
    }

    private static MetricGroups Groups(string names) =>
        names.Split(',').Aggregate(MetricGroups.None, (sum, name) => sum | Enum.GetValues<MetricGroups>().First(g => EvaluationJson.Name(g) == name));
}
