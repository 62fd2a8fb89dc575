using CsCheck;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Tests.Datasets;

/// <summary>What a job compares and counts in texts, against plain definitions written out here.</summary>
public class TextQualityTests
{
    [Theory]
    [InlineData("The star, it moves.", "the STAR it moves")]
    [InlineData("A 3.5 m telescope", "a 3 5 m telescope")]
    [InlineData("ﬁne Ｗidth", "fine width")]
    [InlineData("naïve", "nai\u0308ve")]
    public void Words_ignore_case_punctuation_and_compatibility_forms(string a, string b) => Assert.Equal(TextWords.Of(a), TextWords.Of(b));

    [Fact]
    public void Words_are_told_apart_and_counted()
    {
        Assert.Equal(4, TextWords.Of("one two-three  four!").Length);
        Assert.Equal(3, TextWords.Of("天文学").Length);
        Assert.Empty(TextWords.Of(" ... --- \n"));
        Assert.NotEqual(TextWords.Of("a b"), TextWords.Of("b a"));
        Assert.NotEmpty(TextWords.Of(new string('x', 500)));
    }

    [Theory]
    [InlineData("no no no no no no", true)]
    [InlineData("no no no no no yes", false)]
    [InlineData("of the star of the star of the star of the star and so on", true)]
    [InlineData("of the star of the star of the star and so on", false)]
    [InlineData("a b a b a b a b", true)]
    [InlineData("a b a b a b a c", false)]
    public void A_loop_is_four_copies_or_six_of_one_word(string text, bool loops) => Assert.Equal(loops, RepetitionLoop.In(TextWords.Of(text)));

    /// <summary>Against the longest common substring by dynamic programming, on words of a small alphabet.</summary>
    [Fact]
    public void The_longest_common_run_is_that_of_the_plain_definition()
    {
        var words = Gen.ULong[1, 4].Array[0, 12];
        Gen.Select(words.Array[0, 4], words).Sample((real, text) =>
        {
            int expected = real.Select(r => LongestCommonRun(r, text)).DefaultIfEmpty(0).Max();
            return new CommonRuns(real).Longest(text) == expected;
        });
    }

    /// <summary>Against the Jaccard similarity of sets of 5-word shingles by LINQ: confirmed pairs are right, and at 0.8 none of 300 pairs is missed.</summary>
    [Fact]
    public void Near_duplicates_are_those_of_the_plain_definition()
    {
        var random = new Random(11);
        var index = new DuplicateIndex(0.8);
        var added = new List<ulong[]>();
        for (int i = 0; i < 300; i++)
        {
            ulong[] text = [.. Enumerable.Range(0, 60).Select(_ => (ulong)random.Next(1, 5000))];
            added.Add(text);
            index.Add(DuplicateIndex.Describe(text));
        }

        int near = 0;
        for (int i = 0; i < 300; i++)
        {
            // One to three changed words, at the ends or inside, give similarities on both sides of 0.8.
            var changed = added[i].ToArray();
            for (int change = random.Next(1, 4); change > 0; change--)
                changed[random.Next(0, 60)] = 9999;
            bool expected = Jaccard(added[i], changed) >= 0.8;
            near += expected ? 1 : 0;
            Assert.Equal((expected ? i : -1, false), index.Find(DuplicateIndex.Describe(changed)));
        }

        Assert.InRange(near, 50, 250);
        Assert.All(Enumerable.Range(0, 300), i => Assert.Equal((i, true), index.Find(DuplicateIndex.Describe(added[i]))));
    }

    [Fact]
    public void Texts_shorter_than_a_shingle_are_one_shingle()
    {
        var index = new DuplicateIndex(0.8);
        index.Add(DuplicateIndex.Describe([1, 2, 3]));
        Assert.Equal((0, true), index.Find(DuplicateIndex.Describe([1, 2, 3])));
        Assert.Equal((-1, false), index.Find(DuplicateIndex.Describe([1, 2, 4])));
    }

    [Fact]
    public void Every_reason_is_found_and_names_what_is_repeated()
    {
        string real = "Dark matter halos of dwarf galaxies have cores that grow with the mass of their stars.";
        var rules = new QualityRules { MinChars = 10, MaxChars = 120 };
        var judge = new TextJudge(rules, ["Something else entirely.", real], filter: e => e.Text.Contains("bad", StringComparison.Ordinal) ? "bad" : null);
        Assert.Null(judge.Judge(Example(3, "The solar wind is faster at the poles than at the equator of the sun.")).Rejection);
        (string Text, string Reason, string? Of)[] cases =
        [
            ("...", Reasons.Empty, null),
            ("It is.", Reasons.TooShort, null),
            (string.Join(' ', Enumerable.Range(0, 60)), Reasons.TooLong, null),
            ("of stars of stars of stars of stars", Reasons.Loop, null),
            ("dark matter halos of dwarf galaxies have cores that grow with the mass of their stars", Reasons.Duplicate, "real:1"),
            ("So dark matter halos of dwarf galaxies have cores that grow with the mass of their stars", Reasons.NearDuplicate, "real:1"),
            ("The solar wind is faster at the poles than at the equator of the sun!", Reasons.Duplicate, "item:3"),
            ("This is a bad text of its own.", "bad", null),
        ];
        foreach (var (text, reason, of) in cases)
            Assert.Equal(new Rejection(reason, of), judge.Judge(Example(4, text)).Rejection);
        Assert.Equal(Reasons.Unfinished, judge.Judge(Example(4, "It was cut off in the") with { FinishReason = FinishReason.Length }).Rejection!.Reason);
        Assert.Equal(16, judge.Judge(Example(4, cases[5].Text)).CopiedRun);
    }

    [Fact]
    public void The_pattern_of_the_commonsense_task_gives_the_fields_of_its_real_examples()
    {
        var task = GenerationTask.Load(Path.Combine(GoldenFiles.Weights, "tasks", "commonsense"));
        var judge = new TextJudge(new QualityRules { Pattern = task.Pattern }, [], filter: null);
        foreach (string line in File.ReadLines(task.Real!).Take(100))
        {
            using var json = System.Text.Json.JsonDocument.Parse(line);
            var fields = judge.Judge(Example(0, json.RootElement.GetProperty("text").GetString()!)).Fields.ToDictionary();
            Assert.Equal(json.RootElement.GetProperty("question").GetString(), fields["question"]);
            Assert.Equal(json.RootElement.GetProperty("answer").GetString(), fields["answer"]);
            foreach (var choice in json.RootElement.GetProperty("choices").EnumerateObject())
                Assert.Equal(choice.Value.GetString(), fields["choice_" + choice.Name.ToLowerInvariant()]);
        }

        Assert.Equal(Reasons.Pattern, judge.Judge(Example(0, "Where is it?\nA. here\nB. there\nAnswer: A")).Rejection!.Reason);
    }

    [Fact]
    public void A_schema_refuses_what_it_does_not_allow_and_gives_members_as_fields()
    {
        var rules = new QualityRules
        {
            Schema = """
                {"type": "object", "required": ["question", "answer"], "additionalProperties": false, "$defs": {"choice": {"enum": ["A", "B"]}},
                 "properties": {"question": {"type": "string", "minLength": 5}, "answer": {"$ref": "#/$defs/choice"}, "tags": {"type": "array"}}}
                """,
        };
        rules.Check();
        var judge = new TextJudge(rules, [], filter: null);
        DatasetExample Judge(string text) => judge.Judge(Example(1, text));
        var good = Judge("""{"question": "What is \"it\"?", "answer": "B", "tags": ["x", 1]}""");
        Assert.Null(good.Rejection);
        Assert.Equal([new("question", "What is \"it\"?"), new("answer", "B"), new("tags", """["x", 1]""")], good.Fields);

        // Members that are not declared make no fields: a model may call them what it likes.
        var open = new TextJudge(new QualityRules { Schema = """{"properties": {"a": {"type": "number"}}}""" }, [], filter: null);
        Assert.Equal([new("a", "1.5")], open.Judge(Example(2, """{"a": 1.5, "anything": 2}""")).Fields);
        foreach (string bad in (string[])
            [
                """{"question": "What is it?", "answer": "C"}""", """{"question": "What", "answer": "A"}""", """{"question": "What is it?"}""", "plain text here",
                """{"question": "What is it?", "answer": "A"} and more""", """{"question": "What is it?", "answer": "A", "other": 1}""", """["A"]""", """{"question""",
            ])
        {
            var example = Judge(bad);
            Assert.Equal((Reasons.Schema, 0), (example.Rejection?.Reason, example.Fields.Count));
        }
    }

    [Theory]
    [InlineData("""{"items": {"$ref": "#"}}""")]
    [InlineData("""{"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, true]}, "b": {}}}""")]
    [InlineData("""{"$defs": {"a": {"properties": {"not": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"}""")]
    public void Schemas_of_values_within_values_are_checked(string schema) => Assert.True(new SchemaCheck(schema).Matches("[]", out _));

    [Fact]
    public void A_number_beyond_those_that_schemas_compare_is_refused() =>
        Assert.False(new SchemaCheck("""{"enum": [1]}""").Matches("1e99", out _));

    [Theory]
    [InlineData("no json")]
    [InlineData("""{"type": "nothing"}""")]
    [InlineData("""{"pattern": "("}""")]
    [InlineData("""{"$ref": "#/nowhere"}""")]
    [InlineData("""{"$ref": "https://example.org/schema.json"}""")]
    [InlineData("""{"$ref": "#"}""")]
    [InlineData("""{"anyOf": [{"type": "null"}, {"$ref": "#"}]}""")]
    [InlineData("""{"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}}""")]
    public void What_is_no_schema_is_refused(string schema) =>
        Assert.Contains("schema", Assert.Throws<SteerException>(() => new QualityRules { Schema = schema }.Check()).Message, StringComparison.Ordinal);

    /// <summary>For texts cut at any place: what the watch ends is refused as a loop in the end, and no later than a word after it began to be one.</summary>
    [Fact]
    public void A_loop_is_seen_while_the_text_is_made()
    {
        foreach (string text in (string[])
            [
                "It is of the star of the star of the star of the star of the star and so on.", "no no no no no nothing", "no, no, no, no, no, no, no more",
                "A text without any of it, but with the same words at the end of it, at the end of it.",
                $"{string.Join(' ', Enumerable.Range(0, 100))} {string.Concat(Enumerable.Repeat(string.Concat(Enumerable.Range(0, 16).Select(i => $"w{i} ")), 4))}and on",
                "=\u0338b -\u0338b =\u0338b -\u0338b =\u0338b -\u0338b and on",
            ])
        {
            for (int size = 1; size < 7; size++)
            {
                var watch = RepetitionLoop.Watch();
                int seen = -1;
                for (int at = 0; at < text.Length && seen < 0; at += size)
                {
                    if (watch(text[at..Math.Min(text.Length, at + size)]))
                        seen = Math.Min(text.Length, at + size);
                }

                int first = Enumerable.Range(1, text.Length).Where(end => end == text.Length || !char.IsLetter(text[end])).FirstOrDefault(end => RepetitionLoop.In(TextWords.Of(text[..end])), -1);
                Assert.Equal(first >= 0, seen >= 0);
                if (seen >= 0)
                    Assert.InRange(seen, first, first + 1 + size);
            }
        }
    }

    [Theory]
    [InlineData("(")]
    [InlineData("a(?=b)")]
    public void A_pattern_that_cannot_be_matched_is_refused(string pattern) =>
        Assert.Contains("pattern", Assert.Throws<SteerException>(() => new QualityRules { Pattern = pattern }.Check()).Message, StringComparison.Ordinal);

    private static DatasetExample Example(int id, string text) => new()
    {
        Id = id, Round = 0, Attempt = 0, Text = text, TokenIds = [1], FinishReason = FinishReason.Stop, Seed = 0, Gamma = null, Eta = 0,
        Negatives = [], LogProbs = [], Perplexity = 1,
    };

    private static int LongestCommonRun(ulong[] a, ulong[] b)
    {
        int best = 0;
        for (int i = 0; i < a.Length; i++)
        {
            for (int j = 0; j < b.Length; j++)
            {
                int length = 0;
                while (i + length < a.Length && j + length < b.Length && a[i + length] == b[j + length])
                    length++;
                best = Math.Max(best, length);
            }
        }

        return best;
    }

    private static double Jaccard(ulong[] a, ulong[] b)
    {
        static HashSet<string> Shingles(ulong[] words) => [.. Enumerable.Range(0, words.Length - 4).Select(i => string.Join(' ', words.Skip(i).Take(5)))];
        var (x, y) = (Shingles(a), Shingles(b));
        return (double)x.Intersect(y).Count() / x.Union(y).Count();
    }
}
