using System.Text.RegularExpressions;

namespace Steer.Runtime.Datasets;

/// <summary>What a text must be like to be accepted.</summary>
public sealed record QualityRules
{
    /// <summary>Fewest characters.</summary>
    public int MinChars { get; init; } = 1;

    /// <summary>Most characters; null for any number.</summary>
    public int? MaxChars { get; init; }

    /// <summary>Regular expression that a text must match; its named groups become fields. Null for none.</summary>
    public string? Pattern { get; init; }

    /// <summary>
    /// JSON schema (2020-12, or the draft that it names) that a text must match; members of the object become fields. Null for none.
    /// </summary>
    public string? Schema { get; init; }

    /// <summary>
    /// Jaccard similarity of 5-word shingles from which a text is a near duplicate, above 0; 1 refuses only texts with the same shingles.
    /// </summary>
    public double NearDuplicate { get; init; } = 0.8;

    /// <summary>Texts that were cut off by the most tokens asked for are accepted too.</summary>
    public bool AllowUnfinished { get; init; }

    /// <summary>Throws where a rule cannot be kept.</summary>
    /// <exception cref="SteerException">One line that names the rule.</exception>
    public void Check()
    {
        if (MinChars < 0)
            throw new SteerException($"min-chars is {MinChars}: give at least 0.");
        if (MaxChars < Math.Max(1, MinChars))
            throw new SteerException($"max-chars is {MaxChars}: give at least 1, and no less than min-chars.");
        if (!(NearDuplicate is > 0 and <= 1))
            throw new SteerException(FormattableString.Invariant($"near-duplicate is {NearDuplicate}: give a number above 0 and at most 1."));
        CheckSources("pattern", "schema");
    }

    /// <summary>Throws where <see cref="Pattern"/> is no regular expression or <see cref="Schema"/> no JSON schema.</summary>
    /// <param name="pattern">Where the pattern comes from, as errors name it: a flag, a file.</param>
    /// <param name="schema">Where the schema comes from.</param>
    /// <exception cref="SteerException">One line that names the source.</exception>
    public void CheckSources(string pattern, string schema)
    {
        CompilePattern(pattern);
        if (Schema is not null)
            _ = new SchemaCheck(Schema, schema);
    }

    /// <summary>
    /// The pattern, or null. It takes time linear in the text, so that no text can hold the job up and no clock decides what matches.
    /// </summary>
    /// <param name="name">Where it comes from, as errors name it.</param>
    /// <exception cref="SteerException">It is no regular expression, or needs backtracking.</exception>
    internal Regex? CompilePattern(string name = "pattern")
    {
        if (Pattern is null)
            return null;
        try
        {
            return new Regex(Pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (ArgumentException e)
        {
            throw new SteerException($"{name}: is no regular expression ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}). Mend it.", e);
        }
        catch (NotSupportedException e)
        {
            throw new SteerException($"{name}: cannot be matched in linear time. Leave out lookarounds, backreferences and atomic groups.", e);
        }
    }
}
