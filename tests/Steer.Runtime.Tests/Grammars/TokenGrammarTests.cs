using System.Text;
using Steer.Runtime.Grammars;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Grammars;

/// <summary>Tokens of each kind of vocabulary, the ends of texts, choices and forced tokens.</summary>
public class TokenGrammarTests
{
    public static TheoryData<string> Tokenizers
    {
        get
        {
            var paths = GoldenFiles.Folders("tokenizer_json").Select(name => $"tokenizer_json/{name}/tokenizer.json").ToList();
            paths.AddRange(["stories260K/tok512.bin", "../../../weights/base"]);
            paths.AddRange(new[] { "uni.model", "unibytes.model", "bpeuser.model", "tok105.model" }.Select(name => $"sentencepiece/{name}"));
            paths.AddRange(new[] { "tokenizers/mistral_32k/tokenizer.model.v1", "tokenizers/gpt2/vocab.json" }.Where(GoldenFiles.Exists));
            return [.. paths];
        }
    }

    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void The_bytes_of_tokens_are_what_the_detokenizer_writes(string path)
    {
        var tokenizer = Tokenizer.Load(GoldenFiles.Find(path));
        var tokens = TokenBytes.Of(tokenizer);
        Assert.Same(tokens, TokenBytes.Of(tokenizer));
        Assert.All(tokenizer.SpecialIds, id => Assert.True(tokens[id].IsEmpty));
        var ordinary = Enumerable.Range(0, tokenizer.VocabSize).Where(id => !tokens[id].IsEmpty).ToArray();
        var before = ordinary.First(id => tokens[id].Length == 1 && char.IsAsciiLetter((char)tokens[id][0]));
        var strict = new UTF8Encoding(false, throwOnInvalidBytes: true);
        var random = new Random(3);
        var compared = 0;
        for (var sample = 0; sample < 3000; sample++)
        {
            var ids = Enumerable.Range(0, random.Next(1, 4)).Select(_ => ordinary[random.Next(ordinary.Length)]).ToArray();
            string expected;
            try
            {
                expected = strict.GetString(ids.SelectMany(id => tokens[id].ToArray()).ToArray());
            }
            catch (DecoderFallbackException)
            {
                continue;
            }

            var stream = tokenizer.CreateStream(skipSpecialTokens: true, [before]);
            Assert.Equal(expected, string.Concat(ids.Select(stream.Append)) + stream.Flush());
            compared++;
        }

        Assert.InRange(compared, 100, 3000);
    }

    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void A_forced_text_is_written_by_the_tokens_of_the_tokenizer(string path)
    {
        if (path.EndsWith("unibytes.model", StringComparison.Ordinal))
            return; // it puts a space behind each text, so that none is written as it stands within another
        var tokenizer = Tokenizer.Load(GoldenFiles.Find(path));
        var tokens = TokenBytes.Of(tokenizer);
        var end = tokenizer.SpecialIds.DefaultIfEmpty(0).First();
        var grammar = TokenGrammar.FromRegex("The answer, in short: [abc]", tokenizer, [end]);
        var ids = new List<int>();
        var state = grammar.Start;
        while (grammar.Allowed(state) is [var only] && !grammar.MayEnd(state))
        {
            ids.Add(only);
            state = grammar.Next(state, only);
        }

        var written = Encoding.UTF8.GetString([.. ids.SelectMany(id => tokens[id].ToArray())]);
        Assert.StartsWith("The answer, in", written, StringComparison.Ordinal);
        Assert.Contains(
            new[] { "", "\u0002", "1" }.Select(before => tokenizer.Encode(before + "The answer, in short: a", addSpecialTokens: false)),
            whole => ids.SequenceEqual(whole.SkipWhile(id => id != ids[0]).Take(ids.Count)));
    }

    [Fact]
    public void Special_tokens_are_refused_and_end_tokens_allowed_where_the_text_may_end()
    {
        var tokenizer = GrammarTexts.ByteLevel("<end>", "a", "b", "ab", "x");
        var grammar = TokenGrammar.FromRegex("a+b?", tokenizer, [4, 0, 40]);
        Assert.Equal([1, 3], grammar.Allowed(grammar.Start));
        Assert.Equal(2, grammar.AllowedTokens(grammar.Start).Length);
        Assert.All(new[] { 0, 2, 4, 40, 41, -1, int.MaxValue }, token => Assert.Equal(-1, grammar.Next(grammar.Start, token)));
        var state = grammar.Next(grammar.Start, 1);
        Assert.Equal([0, 1, 2, 3, 4, 40], grammar.Allowed(state));
        Assert.True(grammar.MayEnd(state));
        Assert.All(new[] { 0, 4, 40 }, token => Assert.Equal(state, grammar.Next(state, token)));
        Assert.Equal([0, 4, 40], grammar.Allowed(grammar.Next(state, 3)));

        Assert.Equal([1, 3], TokenGrammar.FromRegex("a+b?", tokenizer, []).Allowed(0).Intersect([1, 3, 0]));
        Assert.Equal([], TokenGrammar.FromRegex("<end>|a", tokenizer, []).Allowed(0).Except([1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => TokenGrammar.FromRegex("a", tokenizer, [-1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => grammar.Next(-1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => grammar.MayEnd(-1));
    }

    [Fact]
    public void A_token_that_only_ends_texts_is_not_forced_as_text()
    {
        var tokenizer = GrammarTexts.ByteLevel("<end>", "a", "b", "\n");
        var grammar = TokenGrammar.FromRegex("a\nb|a\n", tokenizer, [3]);
        Assert.Empty(grammar.Allowed(grammar.Next(grammar.Start, 1)));
    }

    [Fact]
    public void Tokens_of_the_same_bytes_are_allowed_together()
    {
        var tokenizer = GrammarTexts.Load(
            ["<unk>", "<0x61>", "a", "▁a", "▁", "<0x20>", "<0xC3>", "<0xA9>", "é", "ab"],
            """[{"id":0,"content":"<unk>","special":true}]""",
            """
            {"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
            {"type":"Strip","content":" ","start":1,"stop":0}]}
            """);
        var grammar = TokenGrammar.FromRegex("[a ]b?|é+", tokenizer, [0]);
        Assert.Equal([1, 2, 4, 5, 6, 8, 9], grammar.Allowed(grammar.Start));
        Assert.Equal([7], grammar.Allowed(grammar.Next(grammar.Start, 6)));
        Assert.Equal([0, 6, 8], grammar.Allowed(grammar.Next(grammar.Next(grammar.Start, 6), 7)));
        Assert.Equal(grammar.Next(grammar.Start, 1), grammar.Next(grammar.Start, 2));
    }

    [Fact]
    public void Bytes_that_no_token_has_are_no_way_to_go_on()
    {
        var tokenizer = GrammarTexts.ByteLevel("<end>", "a", "b");
        var grammar = TokenGrammar.FromRegex("a(?:xb|b)|bx", tokenizer, [0]);
        Assert.Equal([1], grammar.Allowed(grammar.Start));
        Assert.Contains("no text at all", Assert.Throws<SteerException>(() => TokenGrammar.FromRegex("ax", tokenizer, [0])).Message);
    }

    [Fact]
    public void One_of_the_choices_is_written()
    {
        string[] choices = ["yes", "no", "no way", "", "yes", "é🙂", "a\"b\n"];
        var grammar = TokenGrammar.FromChoices(choices, GrammarTexts.Base, [GrammarTexts.BaseEnd]);
        Assert.All(choices, choice => Assert.True(grammar.Fits(choice), choice));
        Assert.All(["y", "now", "no ", "yesno", "é"], text => Assert.False(grammar.Fits(text), text));
        for (var seed = 0; seed < 20; seed++)
            Assert.Contains(GrammarTexts.Write(grammar, new Random(seed), 9), choices);

        var many = Enumerable.Range(0, 9000).Select(i => $"choice {i * 7919}").ToList();
        var large = TokenGrammar.FromChoices(many, GrammarTexts.Base, [0]);
        Assert.All(many.Take(500), choice => Assert.True(large.Fits(choice)));
        Assert.Contains("is empty", Assert.Throws<SteerException>(() => TokenGrammar.FromChoices([], GrammarTexts.Base, [0])).Message);
        var text = new string('x', 300_000);
        Assert.Contains("300000 bytes", Assert.Throws<SteerException>(() => TokenGrammar.FromChoices([text], GrammarTexts.Base, [0])).Message);
        Assert.True(TokenGrammar.FromChoices([text[..20_000]], GrammarTexts.Base, [0]).Fits(text[..20_000]));
        Assert.True(TokenGrammar.FromChoices([text[..200_000]], GrammarTexts.Base, [0]).Next(0, 1) < 0);
    }

    [Fact]
    public void A_crowded_grammar_is_made_anew()
    {
        var cache = new GrammarCache(GrammarTexts.Base);
        var output = new StructuredOutput { Regex = "(?:a|b)*a(?:a|b){300}" };
        var grammar = cache.Get(output, [0]);
        Assert.Same(grammar, cache.Get(output, [0]));
        var random = new Random(1);
        var state = grammar.Start;
        for (var i = 0; i < 60_000 && !grammar.IsCrowded; i++)
            state = grammar.Next(state, GrammarTexts.BaseBytes['a' + random.Next(2)]);
        Assert.True(grammar.IsCrowded);
        Assert.NotSame(grammar, cache.Get(output, [0]));
        Assert.True(grammar.Next(state, GrammarTexts.BaseBytes['a']) >= 0);
    }

    [Fact]
    public void Grammars_are_kept_until_there_are_too_many()
    {
        var cache = new GrammarCache(GrammarTexts.Base);
        TokenGrammar Get(int number) => cache.Get(new StructuredOutput { Choices = [$"{number}"] }, [0]);
        var grammars = Enumerable.Range(0, 64).Select(Get).ToList();
        for (var number = 0; number < grammars.Count; number++)
            Assert.Same(grammars[number], Get(number));
        Get(64);
        Assert.NotSame(grammars[0], Get(0));
    }

    [Fact]
    public void Grammars_are_kept_until_they_take_much_memory()
    {
        var cache = new GrammarCache(GrammarTexts.Base, maxBytes: 100_000);
        TokenGrammar Get(string choice) => cache.Get(new StructuredOutput { Choices = [choice] }, [0]);
        var small = Get("a");
        Get("b");
        Assert.Same(small, Get("a"));
        var text = new string('x', 2000);
        var large = Get(text);
        Assert.InRange(small.Bytes, 1, 10_000);
        Assert.True(large.Fits(text));
        Assert.True(large.Bytes > 100_000);
        Assert.Same(small, Get("a"));
        Get("c");
        Assert.NotSame(small, Get("a"));
    }

    [Fact]
    public void Grammars_of_different_texts_are_different_ones_whatever_characters_they_hold()
    {
        var cache = new GrammarCache(GrammarTexts.Base);
        Assert.True(cache.Get(new StructuredOutput { Choices = ["a\0b"] }, [0]).Fits("a\0b"));
        Assert.False(cache.Get(new StructuredOutput { Choices = ["a", "b"] }, [0]).Fits("a\0b"));
        Assert.True(cache.Get(new StructuredOutput { Choices = ["1:b"], Prefix = "a" }, [0]).Fits("a1:b"));
        Assert.True(cache.Get(new StructuredOutput { Choices = ["b"], Prefix = "a1:" }, [0]).Fits("a1:b"));
    }

    [Fact]
    public void Threads_share_a_grammar()
    {
        const string schema = """
            {"type":"object","properties":{"a":{"type":"string","maxLength":30},"b":{"type":"array","items":{"type":"number"}}},
            "required":["a","b"]}
            """;
        var shared = TokenGrammar.FromJsonSchema(schema, GrammarTexts.Base, [GrammarTexts.BaseEnd]);
        var texts = new string[64];
        Parallel.For(0, texts.Length, seed => texts[seed] = GrammarTexts.Write(shared, new Random(seed), 40));
        for (var seed = 0; seed < texts.Length; seed++)
        {
            var own = TokenGrammar.FromJsonSchema(schema, GrammarTexts.Base, [GrammarTexts.BaseEnd]);
            var length = Math.Min(40, texts[seed].Length);
            Assert.Equal(texts[seed][..length], GrammarTexts.Write(own, new Random(seed), 40)[..length]);
        }
    }
}
