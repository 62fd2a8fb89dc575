using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>JSON strings of which a schema says something.</summary>
internal sealed class StringTerms(ByteTerms terms, JsonTexts json)
{
    private const int MaxStates = 1 << 17;

    private readonly RegexCompiler _regex = new(terms, json.Character);

    /// <summary>The strings that fit all that is said.</summary>
    /// <exception cref="FormatException">A pattern is damaged or not regular, a format not known, or they need too many states together.</exception>
    public int Term(StringLimits limits)
    {
        var content = limits.Patterns.Select(Search).Concat(limits.Formats.Select(Format)).ToList();
        var (min, max) = (limits.MinLength, limits.MaxLength);
        if (content.Count == 0 || min > 0 || max < ByteTerms.Unlimited)
            content.Add(min > max ? ByteTerms.Nothing : terms.Repeat(json.AnyCharacter, min, max));
        return json.Quoted(content.Aggregate(Both));
    }

    /// <summary>Strings in which a pattern matches a part.</summary>
    public int Matching(string pattern) => json.Quoted(Search(pattern));

    private int Both(int a, int b) => ByteDfa.TryIntersect(terms, a, b, MaxStates)
        ?? throw new FormatException(
            "needs too many states for a pattern and a length together. Give a smaller length, or write it into the pattern.");

    private int Search(string pattern)
    {
        try
        {
            return _regex.Search(pattern, RegexDialect.EcmaScript);
        }
        catch (FormatException e)
        {
            throw new FormatException($"has a 'pattern' {Vocabulary.Show(pattern)} that {e.Message}", e);
        }
    }

    private int Format(string format) => JsonFormats.Pattern(format) is { } pattern
        ? _regex.Whole(pattern, RegexDialect.EcmaScript)
        : throw new FormatException($"has a 'format' {Vocabulary.Show(format)}; supported are {string.Join(", ", JsonFormats.Names)}");
}
