using System.CommandLine;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>What a text must be like to be accepted.</summary>
internal sealed class QualityFlags : FlagGroup
{
    private readonly Option<string?> _pattern;
    private readonly Option<string?> _schema;
    private readonly Option<int?> _minChars;
    private readonly Option<int?> _maxChars;
    private readonly Option<float?> _nearDuplicate;
    private readonly Option<bool> _allowUnfinished;

    public QualityFlags()
        : base("Quality")
    {
        _pattern = Add(Flag.Text("--pattern", "REGEX", "Texts must match it; named groups become fields. Default: the task's."));
        _schema = Add(Flag.Path(
            "--schema", "FILE", "Texts must be JSON that this JSON schema allows; members that it declares become fields. Default: the task's."));
        _minChars = Add(Flag.Integer("--min-chars", "N", "Fewest characters. Default: 1."));
        _maxChars = Add(Flag.Integer("--max-chars", "N", "Most characters. Default: any number."));
        _nearDuplicate = Add(Flag.Number(
            "--near-duplicate", "X", "Refuses texts whose 5-word shingles are this similar (Jaccard) to a real or accepted one. Default: 0.8."));
        _allowUnfinished = Add(Flag.Switch("--allow-unfinished", "Accepts texts that --max-tokens cut off."));
    }

    /// <summary>Puts what was given over the task's defaults.</summary>
    /// <exception cref="SteerException">The pattern or the schema is none; names the flag or the file.</exception>
    public QualityRules Apply(ParseResult parsed, GenerationTask? task)
    {
        var defaults = new QualityRules();
        string? pattern = parsed.GetValue(_pattern), schema = parsed.GetValue(_schema);
        var rules = new QualityRules
        {
            Pattern = pattern ?? task?.Pattern,
            Schema = schema is { } file ? TextInput.ReadWhole(file) : task?.Schema?.GetRawText(),
            MinChars = parsed.GetValue(_minChars) ?? defaults.MinChars,
            MaxChars = parsed.GetValue(_maxChars) ?? defaults.MaxChars,
            NearDuplicate = parsed.GetValue(_nearDuplicate) is { } given ? Math.Round(given, 6) : defaults.NearDuplicate,
            AllowUnfinished = parsed.GetValue(_allowUnfinished),
        };
        rules.CheckSources(pattern is null ? $"{task?.File}: pattern" : _pattern.Name, schema ?? $"{task?.File}: schema");
        return rules;
    }
}
