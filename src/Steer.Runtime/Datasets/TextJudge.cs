using System.Text.RegularExpressions;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Datasets;

/// <summary>Accepts or refuses texts, one after the other: what was accepted counts for those that come later.</summary>
internal sealed class TextJudge
{
    private readonly QualityRules _rules;
    private readonly Regex? _pattern;
    private readonly string[] _fields;
    private readonly SchemaCheck? _schema;
    private readonly DuplicateIndex _seen;
    private readonly CommonRuns _real;
    private readonly Func<DatasetExample, string?>? _filter;
    private readonly int _realCount;
    private readonly List<int> _items = [];

    public TextJudge(QualityRules rules, IReadOnlyList<string> real, Func<DatasetExample, string?>? filter)
    {
        _rules = rules;
        _pattern = rules.CompilePattern();
        _fields = [.. _pattern?.GetGroupNames().Where(n => !char.IsAsciiDigit(n[0])) ?? []];
        _schema = rules.Schema is { } schema ? new SchemaCheck(schema) : null;
        _seen = new DuplicateIndex(rules.NearDuplicate);
        _filter = filter;
        _realCount = real.Count;
        ulong[][] words = [.. real.Select(TextWords.Of)];
        _real = new CommonRuns(words);
        foreach (var text in words)
            _seen.Add(DuplicateIndex.Describe(text));
    }

    /// <summary>Takes in a text that was accepted before.</summary>
    public void Remember(int item, Fingerprint fingerprint)
    {
        _seen.Add(fingerprint);
        _items.Add(item);
    }

    /// <summary>Gives the example with its fields, and with the reason where it is refused.</summary>
    public DatasetExample Judge(DatasetExample example)
    {
        ulong[] words = TextWords.Of(example.Text);
        var match = _pattern?.Match(example.Text);
        if (match is { Success: true })
            example = example with { Fields = [.. _fields.Select(f => KeyValuePair.Create(f, match.Groups[f].Value))] };
        bool fits = true;
        if (_schema is not null)
        {
            fits = _schema.Matches(example.Text, out var members);
            example = example with { Fields = [.. example.Fields, .. members] };
        }

        example = example with { CopiedRun = _real.Longest(words) };
        var fingerprint = DuplicateIndex.Describe(words);
        var rejection = Refuse(example, words, match, fits) ?? Repeats(fingerprint)
            ?? (_filter?.Invoke(example) is { } reason ? new Rejection(reason) : null);
        if (rejection is null)
            Remember(example.Id, fingerprint);
        return example with { Rejection = rejection };
    }

    private Rejection? Refuse(DatasetExample example, ulong[] words, Match? match, bool fitsSchema)
    {
        if (words.Length == 0)
            return new Rejection(Reasons.Empty);
        if (example.FinishReason == FinishReason.Cut || RepetitionLoop.In(words))
            return new Rejection(Reasons.Loop);
        if (example.FinishReason == FinishReason.Length && !_rules.AllowUnfinished)
            return new Rejection(Reasons.Unfinished);
        if (example.Text.Length < _rules.MinChars)
            return new Rejection(Reasons.TooShort);
        if (example.Text.Length > _rules.MaxChars)
            return new Rejection(Reasons.TooLong);
        if (match is { Success: false })
            return new Rejection(Reasons.Pattern);
        return fitsSchema ? null : new Rejection(Reasons.Schema);
    }

    private Rejection? Repeats(Fingerprint fingerprint)
    {
        var (index, exact) = _seen.Find(fingerprint);
        if (index < 0)
            return null;
        string of = index < _realCount ? $"real:{index}" : $"item:{_items[index - _realCount]}";
        return new Rejection(exact ? Reasons.Duplicate : Reasons.NearDuplicate, of);
    }
}
