using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>Files that lie: each gives a tokenizer that works or one line that names the file, and takes memory in proportion to the file.</summary>
public sealed class HostileFileTests
{
    public static TheoryData<string, string> BrokenPipelines => new()
    {
        { "", "not a tokenizer.json" },
        { "{", "not a tokenizer.json: line 1, byte 2" },
        { "[]", "must be an object" },
        { "{}", "'model' is missing" },
        { new string('[', 100_000), "not a tokenizer.json" },
        { """{"model": {"type": "BPE", "vocab": {}, "merges": []}}""", "vocabulary is empty" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0, "a": 1}, "merges": []}}""", "uplicate" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}}""", "same id 0" },
        { """{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}""", "out of range" },
        { """{"model": {"type": "BPE", "vocab": {"a": 2147483646}, "merges": []}}""", "out of range" },
        { """{"model": {"type": "BPE", "vocab": {"a": 1e9}, "merges": []}}""", "must be an integer" },
        { """{"model": {"type": "BPE", "vocab": {"\uD800": 0}, "merges": []}}""", "surrogate" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}""", "'a' with 'b'" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]}}""", "not in the vocabulary" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["aa"]}}""", "two halves" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]}}""", "two halves" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}}""", "'u' is not in the vocabulary" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": [{"id": 0, "content": "x"}]}""", "same id 0" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": [{"id": 7, "content": "a"}]}""", "listed twice" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": [{"id": 900000000, "content": "x"}]}""", "out of range" },
        { """{"model": {"type": "Unigram", "unk_id": 9, "vocab": [["a", 0]]}}""", "unk_id 9" },
        { """{"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", 1e999]]}}""", "score" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "post_processor": {"type": "BertProcessing", "sep": ["a", 5], "cls": ["a", 0]}}""", "id 5" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}}""", "trie" },
        { """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "decoder": {"type": "Strip", "content": "ab", "start": 1, "stop": 0}}""", "Strip" },
    };

    [Theory]
    [MemberData(nameof(BrokenPipelines))]
    public void A_broken_tokenizer_json_is_one_clear_line(string json, string named) => AssertRefused("tokenizer.json", Encoding.UTF8.GetBytes(json), named);

    public static TheoryData<string, byte[], string> BrokenVocabularies => new()
    {
        { "tokenizer.model", [], "no pieces" },
        { "tokenizer.model", [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], "beyond the end" },
        { "tokenizer.model", [.. Enumerable.Repeat((byte)0xFF, 100)], "without an end" },
        { "tokenizer.model", [0x0A, 0x03, 0x0A, 0x01, 0xFF], "not UTF-8" },
        { "tokenizer.model", [0x0A, 0x03, 0x0A, 0x01, 0x61], "unknown piece" },
        { "tokenizer.bin", [], "0 tokens" },
        { "tokenizer.bin", [1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 127], "token 0" },
        { "tokenizer.bin", [1, 0, 0, 0, 0, 0, 192, 127, 1, 0, 0, 0, 65], "token 0" },
        { "gpt2.tiktoken", Encoding.UTF8.GetBytes("IQ==\n"), "'IQ=='" },
        { "cl100k.tiktoken", Encoding.UTF8.GetBytes("IQ== 0\n"), "pattern" },
        { "vocab.json", Encoding.UTF8.GetBytes("{\"a\": 0}"), "merges.txt" },
        { "weights.safetensors", [1, 2, 3], "known kind" },
    };

    [Theory]
    [MemberData(nameof(BrokenVocabularies))]
    public void A_broken_vocabulary_is_one_clear_line(string name, byte[] content, string named) => AssertRefused(name, content, named);

    [Fact]
    public void A_missing_file_or_an_empty_folder_is_one_clear_line()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("no tokenizer", Assert.Throws<SteerException>(() => Tokenizer.Load(folder.Path)).Message);
        Assert.Contains("no such file", Assert.Throws<SteerException>(() => Tokenizer.Load(folder.File("none.json"))).Message);
    }

    /// <summary>Steps that feed each other could make a text of any length from a short one.</summary>
    [Fact]
    public void A_normalizer_that_makes_texts_without_end_is_stopped()
    {
        var doubling = string.Join(", ", Enumerable.Repeat("""{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}""", 60));
        using var folder = new TemporaryFolder();
        var file = folder.Write(
            "tokenizer.json",
            $$"""{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "normalizer": {"type": "Sequence", "normalizers": [{{doubling}}]} }""");
        var tokenizer = Tokenizer.Load(file);
        var e = Assert.Throws<SteerException>(() => tokenizer.Encode("a", addSpecialTokens: false));
        Assert.StartsWith(file + ": ", e.Message);
    }

    [Fact]
    public void A_pattern_that_backtracks_without_end_is_stopped()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write(
            "tokenizer.json",
            """{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a|aa)+(?=b)"}, "behavior": "Isolated"} }""");
        var tokenizer = Tokenizer.Load(file);
        var e = Assert.Throws<SteerException>(() => tokenizer.Encode(new string('a', 200), addSpecialTokens: false));
        Assert.Contains("too many steps", e.Message);
    }

    private static readonly string[] Sources =
    [
        "tokenizer_json/llama2-like/tokenizer.json", "tokenizer_json/added-tokens/tokenizer.json", "tokenizer_json/deepseek-like/tokenizer.json",
        "sentencepiece/uni.model", "sentencepiece/bpeuser.model", "sentencepiece/tok512.bin",
    ];

    public static TheoryData<string> Files => [.. Sources];

    /// <summary>Good files with some bytes changed, cut out or repeated.</summary>
    [Theory]
    [MemberData(nameof(Files))]
    public void A_damaged_file_loads_or_is_refused(string source)
    {
        var good = File.ReadAllBytes(Path.Combine(Goldens.Folder, source));
        var name = Path.GetFileName(source);
        using var folder = new TemporaryFolder();
        var genEdit = Gen.Select(Gen.Int[0, good.Length - 1], Gen.Int[0, 40], Gen.Byte.Array[0, 4]);
        Gen.Select(genEdit.Array[1, 3], Gen.Int[0, int.MaxValue]).Sample(
            (edits, unique) =>
            {
                var bytes = good.ToList();
                foreach (var (at, remove, insert) in edits)
                {
                    var start = Math.Min(at, bytes.Count);
                    bytes.RemoveRange(start, Math.Min(remove, bytes.Count - start));
                    bytes.InsertRange(start, insert);
                }

                var place = Directory.CreateDirectory(folder.File(unique.ToString(System.Globalization.CultureInfo.InvariantCulture))).FullName;
                AssertLoadsOrRefuses(Path.Combine(place, name), [.. bytes]);
            },
            iter: 150);
    }

    /// <summary>Good files with one value exchanged for another: wrong types, numbers out of range, parts in the wrong place.</summary>
    [Theory]
    [InlineData("llama2-like")]
    [InlineData("added-tokens")]
    [InlineData("deepseek-like")]
    [InlineData("falcon-like")]
    [InlineData("metaspace-split")]
    public void A_pipeline_with_a_wrong_value_loads_or_is_refused(string pipeline)
    {
        var json = File.ReadAllText(Path.Combine(Goldens.Folder, "tokenizer_json", pipeline, "tokenizer.json"));
        string[] values =
        [
            "null", "true", "0", "-1", "2147483647", "1e300", "\"\"", "\"x\"", "\"(?:\"", "\"\\ud800\"", "[]", "{}", "[[0]]", "[\"a\", \"b\"]",
            """{"type": "Sequence"}""", """{"type": "ByteLevel"}""", """{"type": "Metaspace"}""", """{"Regex": "a*"}""", """{"String": ""}""",
            """{"type": "Strip", "content": "a", "start": 2147483647, "stop": 2147483647}""", """{"type": "Replace", "pattern": {"Regex": ""}, "content": "aa"}""",
        ];
        using var folder = new TemporaryFolder();
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Int[0, values.Length - 1], Gen.Int[0, int.MaxValue]).Sample(
            (place, value, unique) =>
            {
                var root = JsonNode.Parse(json)!;
                var places = Places(root).ToList();
                var (parent, key) = places[place % places.Count];
                JsonNode node = "here";
                if (parent is JsonObject members)
                    members[(string)key] = node;
                else
                    ((JsonArray)parent)[(int)key] = node;
                var file = Directory.CreateDirectory(folder.File(unique.ToString(System.Globalization.CultureInfo.InvariantCulture))).FullName;
                AssertLoadsOrRefuses(Path.Combine(file, "tokenizer.json"), Encoding.UTF8.GetBytes(root.ToJsonString().Replace("\"here\"", values[value], StringComparison.Ordinal)));
            },
            iter: 100);

        // Of long lists, such as the vocabulary, the first few will do.
        static IEnumerable<(JsonNode Parent, object Key)> Places(JsonNode node)
        {
            var children = node switch
            {
                JsonObject members => members.Take(10).Select(member => ((object)member.Key, member.Value)),
                JsonArray items => items.Take(5).Select((item, i) => ((object)i, item)),
                _ => [],
            };
            foreach (var (key, child) in children)
            {
                yield return (node, key);
                foreach (var deeper in child is null ? [] : Places(child))
                    yield return deeper;
            }
        }
    }

    /// <summary>Any bytes at all.</summary>
    [Theory]
    [InlineData("tokenizer.json")]
    [InlineData("tokenizer.model")]
    [InlineData("tokenizer.bin")]
    [InlineData("gpt2.tiktoken")]
    public void Noise_is_refused(string name)
    {
        using var folder = new TemporaryFolder();
        Gen.Select(Gen.Byte.Array[0, 200], Gen.Int[0, int.MaxValue]).Sample(
            (bytes, unique) =>
            {
                var place = Directory.CreateDirectory(folder.File(unique.ToString(System.Globalization.CultureInfo.InvariantCulture))).FullName;
                AssertLoadsOrRefuses(Path.Combine(place, name), bytes);
            },
            iter: 200);
    }

    private static void AssertRefused(string name, byte[] content, string named)
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write(name, content);
        var e = Assert.Throws<SteerException>(() => Tokenizer.Load(file));
        Assert.StartsWith(folder.Path, e.Message);
        Assert.Contains(named, e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    private static void AssertLoadsOrRefuses(string file, byte[] content)
    {
        File.WriteAllBytes(file, content);
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var tokenizer = Tokenizer.Load(file);

            // Strings of JSON, tables of hashes and ranks: some fifty bytes for each of the file; the fixed part is the cache, tables of Unicode
            // properties and, once in a process, the compiler of regular expressions.
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (64L * content.Length) + 32_000_000);
            var ids = tokenizer.Encode("Hello <mask> wörld, 日本語 🙂 1234 \n\n <0x41>", addSpecialTokens: true);
            Assert.All(ids, id => Assert.NotNull(tokenizer.TokenOf(id)));
            tokenizer.Decode(ids, skipSpecialTokens: false);
        }
        catch (SteerException e)
        {
            Assert.StartsWith(file + ": ", e.Message);
            Assert.DoesNotContain('\n', e.Message);
        }
    }
}
