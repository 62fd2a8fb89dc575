using System.Text;
using System.Text.RegularExpressions;
using Steer.Runtime.Grammars;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Grammars;

/// <summary>Grammars of regular expressions against .NET's own, on all short texts of a small alphabet.</summary>
public class RegexGrammarTests
{
    // The two bytes of é are tokens too, and a part of it with the letter before it.
    private static readonly string[] Tokens = ["<end>", "a", "b", "\xC3", "\xA9", "ab", "aab", "ba", "\xC3\xA9", "a\xC3", "\xA9" + "b", "bb\xC3\xA9"];
    private static readonly Tokenizer Small = GrammarTexts.ByteLevel(Tokens);
    private static readonly string[] Texts = AllTexts(6);

    [Fact]
    public void A_mask_is_what_leads_to_texts_that_the_expression_matches()
    {
        var random = new Random(71);
        for (var sample = 0; sample < 300; sample++)
        {
            var pattern = RandomPattern(random, 3);
            var expected = new Regex($"\\A(?:{pattern})\\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            var matching = Texts.Where(text => expected.IsMatch(text)).Select(Bytes).ToHashSet();
            var prefixes = matching.SelectMany(text => Enumerable.Range(0, text.Length + 1).Select(length => text[..length])).ToHashSet();
            if (matching.Count == 0)
                continue;
            var grammar = TokenGrammar.FromRegex(pattern, Small, [0]);
            foreach (var prefix in prefixes.Where(prefix => prefix.Length < 4))
            {
                var state = grammar.Start;
                foreach (var value in prefix)
                    state = grammar.Next(state, Array.IndexOf(Tokens, value.ToString()));
                Assert.True(state >= 0, $"{pattern} refuses {prefix}");
                Assert.True(grammar.MayEnd(state) == matching.Contains(prefix), $"{pattern} ends wrongly after {prefix}");
                CheckTokens(grammar, state, prefix);
            }

            void CheckTokens(TokenGrammar grammar, int state, string prefix)
            {
                var fitting = new List<int>();
                for (var token = 1; token < Tokens.Length; token++)
                {
                    var next = grammar.Next(state, token);
                    if (next >= 0)
                        fitting.Add(token);
                    var isLong = prefix.Length + Tokens[token].Length > 5; // its texts may be longer than those tried
                    if (!prefixes.Contains(prefix + Tokens[token]) && (isLong || next < 0))
                        continue;
                    Assert.True(next >= 0, $"{pattern} refuses {Tokens[token]} after {prefix}");
                    var rest = string.Concat(GrammarTexts.ShortestEnd(grammar, next, [1, 2, 3, 4]).Select(id => Tokens[id]));
                    var whole = Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(prefix + Tokens[token] + rest));
                    Assert.True(expected.IsMatch(whole), $"{pattern} leads to {whole}");
                }

                if (grammar.MayEnd(state))
                    fitting.Insert(0, 0);
                var allowed = grammar.Allowed(state);
                if (allowed is [> 0 and var only] && fitting.Count > 1)
                    Assert.True(fitting.All(token => Tokens[token][0] == Tokens[only][0]), $"{pattern} forces {Tokens[only]} after {prefix}");
                else
                    Assert.Equal(fitting, allowed);
            }
        }
    }

    [Theory]
    [InlineData("^abc$", "abc", "abcd|ab|")]
    [InlineData("\\A(?:a|b)+?\\z", "a|ab|bbb", "|c")]
    [InlineData("(?<name>a)(?P<other>b)", "ab", "a|b")]
    [InlineData("(?i)straße|k", "STRASSE|STRAßE|K|\u212A|k", "x")]
    [InlineData("(?s:.)x", "\nx|éx|🙂x", "x|xx\n")]
    [InlineData(".", "é|🙂|\r", "\n|ab|")]
    [InlineData("[^a-y]", "z|A|é|漢|🙂|\n", "a|y|zz")]
    [InlineData("[[a]", "[|a", "]|b")]
    [InlineData("\\u0041\\u{1F642}\\x42", "A🙂B", "A")]
    [InlineData("\\uD83D\\uDE42", "🙂", "x")]
    [InlineData("(?:^a|b)c$", "ac|bc", "c|abc")]
    [InlineData("a^b|c", "c", "ab|b|a")]
    [InlineData("a?^b", "b", "ab")]
    [InlineData("a{2}", "aa", "a|aaa")]
    [InlineData("a{2,}?", "aa|aaaaa", "a")]
    [InlineData("(?:a{2}){3}", "aaaaaa", "aaaaa")]
    [InlineData("(a*)*b", "b|aaab", "a")]
    [InlineData("(a+)?", "|aaa", "b")]
    [InlineData("(?:a{0,3}){2}", "|aaaaaa", "aaaaaaa")]
    [InlineData("(?:a{2,3}){2}", "aaaa|aaaaaa", "aaa|aaaaaaa")]
    [InlineData("(?:(?:ab){2,3})*", "|abab|ababababab", "ab")]
    [InlineData("(?:a+){2,3}", "aa|aaaaaaa", "a|")]
    [InlineData("\\d\\s\\w", "1 a|٣\u3000é", "a b")]
    [InlineData("\\p{Lu}\\P{L}", "A1|É ", "aa|AA")]
    [InlineData("x\\u{D7FF}\\u{E000}\\uFFFF\\u{10FFFF}", "x\uD7FF\uE000\uFFFF\U0010FFFF", "x")]
    [InlineData("[\\u{10000}-\\u{10FFFF}]", "🙂|\U00010000|\U0010FFFF", "\uFFFF")]
    [InlineData("a{b}", "a{b}", "a")]
    public void Whole_texts_fit(string pattern, string fitting, string refused)
    {
        var grammar = TokenGrammar.FromRegex(pattern, GrammarTexts.Base, [GrammarTexts.BaseEnd]);
        if (pattern.Contains("stra"))
            fitting = fitting.Replace("STRASSE|", "", StringComparison.Ordinal); // one character for one
        Assert.All(fitting.Split('|'), text => Assert.True(grammar.Fits(text), text));
        Assert.All(refused.Split('|'), text => Assert.False(grammar.Fits(text), text));
    }

    [Theory]
    [InlineData("a(?=b)", "look-ahead '(?='")]
    [InlineData("a(?!b)", "look-ahead '(?!'")]
    [InlineData("(?<=a)b", "look-behind '(?<='")]
    [InlineData("(?<!a)b", "look-behind '(?<!'")]
    [InlineData("(?>a)b", "atomic group")]
    [InlineData("a++b", "possessive")]
    [InlineData("(a)\\1", "'\\1'")]
    [InlineData("(?<n>a)\\k<n>", "'\\k'")]
    [InlineData("\\bfoo\\b", "word boundary")]
    [InlineData("(^a)+", "'^' or '$'")]
    [InlineData("a{1,100000}", "repeat count")]
    [InlineData("a{3,2}", "repeat count")]
    [InlineData("a{,2}", "'{0,2}'")]
    [InlineData("(a", "'('")]
    [InlineData("a)", "')'")]
    [InlineData("[a", "'['")]
    [InlineData("a{2}{3}", "behind another")]
    [InlineData("a**", "behind another")]
    [InlineData("[a&&b]", "'&&'")]
    [InlineData("[a-z-[aeiou]]", "'-['")]
    [InlineData("[[:alpha:]]", "'[:name:]'")]
    [InlineData("[]a]", "']'")]
    [InlineData("*a", "nothing to repeat")]
    [InlineData("(?m)^a", "'(?'")]
    [InlineData("\\h", "'\\h'")]
    [InlineData("\\p{Greek}", "property")]
    [InlineData("\\", "'\\'")]
    [InlineData("[^\\s\\S]", "no text at all")]
    [InlineData("a$b", "no text at all")]
    [InlineData("(?:(?:(?:a{1,9999}){1,9999}){1,9999}b?){1,9999}", "")]
    public void What_no_grammar_can_follow_is_one_line(string pattern, string named)
    {
        var fault = Record.Exception(() =>
        {
            var grammar = TokenGrammar.FromRegex(pattern, GrammarTexts.Base, [0]);
            GrammarTexts.Write(grammar, new Random(1), 20);
        });
        if (named.Length == 0)
            return; // large, and not too large
        var message = Assert.IsType<SteerException>(fault).Message;
        Assert.Contains(named, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        Assert.StartsWith("regular expression '", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(?:a{0,500}b{0,500}){0,500}(?:a?b?){0,500}c")]
    [InlineData("(?:(?:a|b)*a(?:a|b){0,300}c?)*x")]
    [InlineData("(?:(?:a?){300}(?:a?b?){300}){300}")]
    public void Expressions_of_very_many_states_are_followed_or_refused(string pattern)
    {
        var fault = Record.Exception(() =>
        {
            var grammar = TokenGrammar.FromRegex(pattern, GrammarTexts.Base, [0]);
            var state = grammar.Start;
            for (var i = 0; i < 400 && state >= 0; i++)
            {
                grammar.AllowedTokens(state);
                state = grammar.Next(state, GrammarTexts.BaseBytes["abaab"[i % 5]]);
            }
        });
        Assert.True(fault is null or SteerException, $"{fault}");
    }

    [Fact]
    public void Long_repetitions_are_not_written_out()
    {
        var grammar = TokenGrammar.FromRegex("(?:[a-zé]{10000}\n){10000}", GrammarTexts.Base, [0]);
        var state = grammar.Start;
        for (var i = 0; i < 10_000; i++)
        {
            Assert.False(grammar.MayEnd(state));
            state = grammar.Next(state, GrammarTexts.BaseBytes['a' + i % 26]);
        }

        Assert.All(grammar.Allowed(state), token => Assert.StartsWith("Ċ", GrammarTexts.Base.TokenOf(token)!, StringComparison.Ordinal));
    }

    private static string RandomPattern(Random random, int depth, bool isRepeated = false)
    {
        string[] leaves = ["a", "b", "é", "[ab]", "[^a]", ".", "[^bé]", "", "(?i:A)"];
        if (depth == 0 || random.Next(4) == 0)
            return leaves[random.Next(leaves.Length)];
        string[] repeats = ["*", "+", "?", "{2}", "{0,2}", "{1,3}", "{2,}", "*?", "+?", "??"];
        return random.Next(5) switch
        {
            0 or 1 => Part() + Part(),
            2 => $"(?:{Part()}|{Part()})",
            3 => $"(?:{RandomPattern(random, depth - 1, isRepeated: true)}){repeats[random.Next(repeats.Length)]}",
            _ => random.Next(isRepeated ? 1 : 4) switch
            {
                1 => "^" + Part(),
                2 => Part() + "$",
                _ => $"({Part()})",
            },
        };

        string Part() => RandomPattern(random, depth - 1, isRepeated);
    }

    private static string Bytes(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    private static string[] AllTexts(int length)
    {
        var texts = new List<string> { "" };
        for (var start = 0; length-- > 0;)
        {
            var end = texts.Count;
            for (; start < end; start++)
                texts.AddRange(texts[start] + "a", texts[start] + "b", texts[start] + "é");
        }

        return [.. texts];
    }
}
