using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>Regular expressions over characters as expressions over bytes.</summary>
/// <param name="terms">Where they are made.</param>
/// <param name="character">One character of a set, as it is written.</param>
internal sealed class RegexCompiler(ByteTerms terms, Func<CodePointSet, int> character)
{
    private const int MaxPatternLength = 1 << 14;

    /// <summary>Texts that a pattern matches from their first character to their last.</summary>
    /// <exception cref="FormatException">The pattern is damaged, too large or not regular.</exception>
    public static int WholeText(ByteTerms terms, string pattern)
    {
        var compiler = new RegexCompiler(terms, set => Utf8Ranges.Of(terms, set));
        return compiler.Whole(pattern, RegexDialect.Common);
    }

    /// <summary>Texts that a pattern matches as a whole.</summary>
    /// <exception cref="FormatException">The pattern is damaged, too large or not regular.</exception>
    public int Whole(string pattern, RegexDialect dialect) =>
        terms.Or([.. RegexAnchors.Resolve(Parse(pattern, dialect)).Select(branch => Compile(branch.Node))]);

    /// <summary>Texts in which a pattern matches a part.</summary>
    /// <exception cref="FormatException">The pattern is damaged, too large or not regular.</exception>
    public int Search(string pattern, RegexDialect dialect)
    {
        var any = terms.Repeat(character(CodePointSet.Of(0, 0x10FFFF)), 0, ByteTerms.Unlimited);
        return terms.Or([.. RegexAnchors.Resolve(Parse(pattern, dialect)).Select(Around)]);

        int Around(RegexAnchors.Branch branch) => terms.Concat(
            branch.AtStart ? ByteTerms.Empty : any,
            Compile(branch.Node),
            branch.AtEnd ? ByteTerms.Empty : any);
    }

    private static RegexNode Parse(string pattern, RegexDialect dialect)
    {
        if (pattern.Length > MaxPatternLength)
            throw new FormatException($"has {pattern.Length} characters; at most {MaxPatternLength} are supported");
        try
        {
            return OnigurumaParser.Parse(pattern, dialect);
        }
        catch (FormatException e)
        {
            throw new FormatException($"has what is not supported: {e.Message}", e);
        }
    }

    private int Compile(RegexNode node) => node switch
    {
        SetNode(var set) => character(set),
        SequenceNode(var items) => terms.Concat([.. items.Select(Compile)]),
        AlternativesNode(var items) => terms.Or([.. items.Select(Compile)]),
        RepeatNode(var item, var min, var max, not RepeatKind.Possessive) => terms.Repeat(Compile(item), min, max),
        RepeatNode => throw NotRegular("a possessive quantifier"),
        AtomicNode => throw NotRegular("an atomic group '(?>'"),
        LookNode(_, Behind: true, var negative) => throw NotRegular($"a look-behind '(?<{(negative ? "!" : "=")}'"),
        LookNode(_, _, var negative) => throw NotRegular($"a look-ahead '(?{(negative ? "!" : "=")}'"),
        AnchorNode => throw NotRegular("a word boundary"),
        _ => throw new InvalidOperationException($"Unknown node {node}."),
    };

    private static FormatException NotRegular(string what) => new($"has {what}, which a grammar cannot follow. Write the pattern without it.");
}
