using System.CommandLine;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Datasets;
using Steer.Runtime.Grammars;

namespace Steer.Cli.Flags;

/// <summary>What texts have to be, token by token while they are made.</summary>
internal sealed class StructureFlags : FlagGroup
{
    private readonly Option<string?>? _pattern;
    private readonly Option<string?>? _schema;
    private readonly Option<string[]?>? _choices;
    private readonly Option<bool> _structured;

    /// <param name="own">There are flags for a pattern, a schema and choices; else these are another group's.</param>
    public StructureFlags(bool own)
        : base("Structure")
    {
        if (own)
        {
            _pattern = Add(Flag.Text("--pattern", "REGEX", "Every text is made to match it, from its first character to its last."));
            _schema = Add(Flag.Path("--schema", "FILE", "Every text is made to be JSON of this JSON schema, without white space."));
            _choices = Add(Flag.Texts("--choice", "TEXT", "Every text is one of these; given once for each."));
        }

        _structured = Add(Flag.Switch(
            "--structured", own
                ? "Every text is made to fit the task's own pattern or schema."
                : "Texts are made to fit the pattern or the schema, where else they would be refused after they are made."));
    }

    /// <summary>What was given on the command line, or of the task; null for nothing.</summary>
    /// <exception cref="SteerException">More than one was given, or none where the task's is asked for.</exception>
    public StructuredOutput? Own(ParseResult parsed, GenerationTask? task)
    {
        string prefix = task?.CompletionPrefix ?? "";
        var given = new StructuredOutput
        {
            Regex = parsed.GetValue(_pattern!),
            Json = parsed.GetValue(_schema!) is { } file ? TextInput.ReadWhole(file) : null,
            Choices = parsed.Given(_choices!) is { } choices ? [.. choices.Select(Escapes.Read)] : null,
            Prefix = prefix,
        };
        if (!parsed.GetValue(_structured))
            return given == new StructuredOutput { Prefix = prefix } ? null : given;
        if (given != new StructuredOutput { Prefix = prefix })
            throw new SteerException($"{_structured.Name} takes the task's own: leave it out beside another pattern, schema or choice.");
        return Of(task?.Pattern, task?.Schema?.GetRawText(), prefix)
            ?? throw new SteerException($"{_structured.Name}: the task has no pattern and no schema. Give {_pattern!.Name} or {_schema!.Name}.");
    }

    /// <summary>What the rules say, where texts are to be made by them; null for nothing.</summary>
    /// <exception cref="SteerException">The rules have no pattern and no schema, or both.</exception>
    public StructuredOutput? ByRules(ParseResult parsed, QualityRules rules, string prefix)
    {
        if (!parsed.GetValue(_structured))
            return null;
        return Of(rules.Pattern, rules.Schema, prefix)
            ?? throw new SteerException($"{_structured.Name}: there is no pattern and no schema. Give --pattern or --schema.");
    }

    private StructuredOutput? Of(string? pattern, string? schema, string prefix)
    {
        if (pattern is not null && schema is not null)
            throw new SteerException($"{_structured.Name}: there are a pattern and a schema, and texts can be made by one of them only.");
        return pattern is null && schema is null ? null : new StructuredOutput { Regex = pattern, Json = schema, Prefix = prefix };
    }
}
