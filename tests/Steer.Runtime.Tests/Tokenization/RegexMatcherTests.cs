using System.Text.RegularExpressions;
using CsCheck;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

public sealed class RegexMatcherTests
{
    /// <summary>Expressions over three letters, in what both dialects share.</summary>
    private static readonly Gen<string> Expression = Gen.Recursive<string>((depth, inner) =>
    {
        // What is repeated ends in one of these, so that no round is empty: there .NET and the others differ.
        var atom = Gen.OneOf(new[] { "a", "b", "c", "[ab]", "[^a]", "[a-c]", @"\w" }.Select(Gen.Const).ToArray());
        if (depth > 3)
            return atom;
        var fixedLength = Gen.OneOf(new[] { "a", "bc", "[ab]c", "a|bc" }.Select(Gen.Const).ToArray());
        var quantifier = Gen.OneOf(new[] { "*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "+?", "??", "{1,2}?" }.Select(Gen.Const).ToArray());
        return Gen.Frequency(
            (4, atom),
            (1, Gen.Const("")),
            (3, Gen.Select(inner, inner, (left, right) => left + right)),
            (2, Gen.Select(inner, inner, (left, right) => $"(?:{left}|{right})")),
            (3, Gen.Select(inner, atom, quantifier, (item, last, times) => $"(?:{item}{last}){times}")),
            (1, inner.Select(item => $"(?>{item})")),
            (1, inner.Select(item => $"(?={item})")),
            (1, inner.Select(item => $"(?!{item})")),
            (1, fixedLength.Select(item => $"(?<={item})")),
            (1, fixedLength.Select(item => $"(?<!{item})")));
    });

    /// <summary>Held against .NET's expressions, on letters of the basic plane, where the dialects agree.</summary>
    [Fact]
    public void Matches_end_where_those_of_dotnet_end()
    {
        Gen.Select(Expression, Gen.String[Gen.Char['a', 'd'], 0, 8]).Sample(
            (expression, text) =>
            {
                var program = RegexProgram.Compile(OnigurumaParser.Parse(expression));
                var expected = new Regex($@"\G(?:{expression})", RegexOptions.CultureInvariant);
                using var matcher = new RegexMatcher(program, text);
                for (var start = 0; start <= text.Length; start++)
                {
                    var match = expected.Match(text, start);
                    Assert.Equal(match.Success ? match.Index + match.Length : -1, matcher.Match(start));
                }
            },
            iter: 3000);
    }

    [Fact]
    public void A_match_that_backtracks_without_end_is_stopped()
    {
        var program = RegexProgram.Compile(OnigurumaParser.Parse("(a|aa)+(?=b)"));
        Assert.Throws<InvalidDataException>(() =>
        {
            using var matcher = new RegexMatcher(program, new string('a', 100));
            matcher.Match(0);
        });
    }

    [Theory]
    [InlineData("(?:(?:ab){100}){200}")]
    [InlineData("(?:(?:a*){1000}){1000}")]
    [InlineData("(?<=a*)b")]
    [InlineData("(?<=(?:a{10000}){10000})b")]
    public void Programs_that_would_be_too_large_are_refused(string expression) =>
        Assert.Throws<FormatException>(() => RegexProgram.Compile(OnigurumaParser.Parse(expression)));

    [Fact]
    public void Repetitions_of_nothing_end()
    {
        var program = RegexProgram.Compile(OnigurumaParser.Parse("(?:(?:){10000}){10000}(?:(?:)*)*(?:a*|(?=b))*"));
        using var matcher = new RegexMatcher(program, "aab");
        Assert.Equal(2, matcher.Match(0));
    }
}
