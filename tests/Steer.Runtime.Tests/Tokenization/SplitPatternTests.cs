using CsCheck;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>Patterns in Oniguruma's dialect and what becomes of their matches.</summary>
public sealed class SplitPatternTests
{
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Qwen = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>Text that these patterns tell apart: contractions in all spellings, spaces and breaks, digits, letters beyond the basic plane.</summary>
    private static readonly Gen<string> Text = Gen.OneOf(
            Gen.OneOf(new[] { "'s", "'T", "'re", "'VE", "'ll", "'\u017F", "'", " ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u3000", "\u0085" }.Select(Gen.Const).ToArray()),
            Gen.OneOf(new[] { "a", "Word", "é", "e\u0301", "日本", "𝒜", "𠜎", "12", "½", "𝟘", "!", "...", "🙂", "👩\u200D👧", "_", "\u200B" }.Select(Gen.Const).ToArray()))
        .Array[0, 12].Select(string.Concat);

    /// <summary>Held against the same pattern translated to a .NET expression: neither knows of the other.</summary>
    [Theory]
    [InlineData(Gpt2)]
    [InlineData(Llama3)]
    [InlineData(Qwen)]
    public void Hand_written_matchers_split_like_their_patterns(string pattern)
    {
        var splitter = WordSplitter.ForPattern(pattern)!;
        Assert.Equal(pattern, splitter.ToString());
        var regex = SplitPattern.Regex("test", pattern);
        Text.Sample(
            text =>
            {
                var words = new List<string>();
                for (var rest = text.AsSpan(); !rest.IsEmpty;)
                {
                    var length = splitter.Match(rest);
                    words.Add(rest[..length].ToString());
                    rest = rest[length..];
                }

                Assert.Equal(Matches(regex, text), words);
            },
            iter: 2000);
    }

    /// <summary>Held against what Oniguruma's manual (doc/RE, Ruby syntax) says of each construct.</summary>
    [Theory]
    [InlineData(@"\p{L}+", "a𝒜b1", "a𝒜b")]
    [InlineData(@"\P{L}+", "a🙂1b", "🙂1")]
    [InlineData(@"\p{^Lu}", "Ab", "b")]
    [InlineData(@"[^\s\p{L}]+", "a🙂𠜎! b", "🙂|!")]
    [InlineData(@".", "🙂\n", "🙂")]
    [InlineData(@"[🙂-🙄]+", "😃🙂🙃🙄🙅", "🙂🙃🙄")]
    [InlineData(@"[a-c[x-z]]+", "abxyd", "abxy")]
    [InlineData(@"[a-z&&[^aeiou]]+", "banana", "b|n|n")]
    [InlineData(@"[^(\s|[.,])]+", "a(b|c.d", "a|b|c|d")]
    [InlineData(@"[]a]+", "a]b", "a]")]
    [InlineData(@"[a\-z]+", "a-zb", "a-z")]
    [InlineData(@"[a-\d]+", "a-1b", "a-1")]
    [InlineData(@"a++b", "aab", "aab")]
    [InlineData(@"a++ab", "aab", "")]
    [InlineData(@"(?>a|ab)c", "abc", "")]
    [InlineData(@"a{2}+", "aaaaa", "aaaa")]
    [InlineData(@"a{,2}b", "aaab", "aab")]
    [InlineData(@"a{,}b", "a{,}b", "a{,}b")]
    [InlineData(@"a+?", "aa", "a|a")]
    [InlineData(@"(?i:straße|k)", "K STRAßE", "K|STRAßE")]
    [InlineData(@"(?i)ab|c", "AB C", "AB|C")]
    [InlineData(@"(?i:s)", "ſ", "ſ")]
    [InlineData(@"(?i:[^a])", "Ab", "b")]
    [InlineData(@"(?m:.)", "\n", "\n")]
    [InlineData(@"\h+", "xfF0g", "fF0")]
    [InlineData(@"^b", "a\nb", "b")]
    [InlineData(@"a$", "a\na", "a|a")]
    [InlineData(@"\bb", "ab b𝒜", "b")]
    [InlineData(@"(?<=a)b(?!c)", "abc ab", "b")]
    [InlineData(@"\x41\x{1F642}\u0042", "A🙂B", "A🙂B")]
    [InlineData(@"(a)(?:b)", "ab", "ab")]
    [InlineData(@"\w+", "aé_1٣-Ⓐ\u200D", "aé_1٣|Ⓐ")]
    [InlineData(@"\s+", "a\u0085\u3000b", "\u0085\u3000")]
    public void Patterns_match_as_in_oniguruma(string pattern, string text, string matches) =>
        Assert.Equal(matches, string.Join('|', Matches(SplitPattern.Regex("test", pattern), text)));

    [Theory]
    [InlineData(@"\p{Han}", @"property '\p{Han}'")]
    [InlineData(@"(?<name>a)", "(?")]
    [InlineData(@"a(?i)b", "(?")]
    [InlineData(@"[[:alpha:]]", "[:name:]")]
    [InlineData(@"(a)\1", @"\1")]
    [InlineData(@"\X", @"\X")]
    [InlineData(@"a{2}?", "{n}?")]
    [InlineData(@"a{99999}", "repeat count")]
    [InlineData(@"(a", "')'")]
    [InlineData(@"a)", "'('")]
    [InlineData(@"[a", "']'")]
    [InlineData(@"[b-a]", "range")]
    [InlineData(@"*a", "nothing to repeat")]
    [InlineData(@"\", "at the end")]
    [InlineData(@"\x{110000}", "hexadecimal")]
    public void What_is_not_translated_is_refused_by_name(string pattern, string named)
    {
        var e = Assert.Throws<SteerException>(() => SplitPattern.Regex("some.json", pattern));
        Assert.StartsWith("some.json: ", e.Message);
        Assert.Contains(named, e.Message);
    }

    [Fact]
    public void Deep_and_long_patterns_are_refused()
    {
        Assert.Throws<SteerException>(() => SplitPattern.Regex("some.json", new string('(', 900) + new string(')', 900)));
        Assert.Throws<SteerException>(() => SplitPattern.Regex("some.json", new string('[', 900) + new string(']', 900)));
        Assert.Throws<SteerException>(() => SplitPattern.Regex("some.json", new string('a', 5000)));
    }

    /// <summary>Held against the example in the documentation of Hugging Face tokenizers.</summary>
    [Theory]
    [InlineData(nameof(SplitBehavior.Removed), "the|final|countdown")]
    [InlineData(nameof(SplitBehavior.Isolated), "the|-|final|-|-|countdown")]
    [InlineData(nameof(SplitBehavior.MergedWithPrevious), "the-|final-|-|countdown")]
    [InlineData(nameof(SplitBehavior.MergedWithNext), "the|-final|-|-countdown")]
    [InlineData(nameof(SplitBehavior.Contiguous), "the|-|final|--|countdown")]
    public void Matches_go_where_the_behavior_says(string behavior, string expected)
    {
        const string text = "the-final--countdown";
        var pieces = new List<SplitPiece>();
        SplitPattern.Literal("-").Cut(text, pieces);
        SplitPattern.Arrange(pieces, Enum.Parse<SplitBehavior>(behavior));
        Assert.Equal(expected, string.Join('|', pieces.Select(piece => text[piece.Start..piece.End])));
    }

    private static List<string> Matches(SplitPattern pattern, string text)
    {
        var pieces = new List<SplitPiece>();
        pattern.Cut(text, pieces);
        return [.. pieces.Where(piece => piece.IsMatch).Select(piece => text[piece.Start..piece.End])];
    }
}
