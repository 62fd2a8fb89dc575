using System.Text.Json;
using System.Text.Json.Nodes;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>
/// Components that the stored pipelines do not have, one by one. Held against what the documentation of Hugging Face tokenizers says of each.
/// </summary>
public sealed class TokenizerJsonComponentTests
{
    [Theory]
    [InlineData("""{"type": "NFD"}""", "é", "e\u0301")]
    [InlineData("""{"type": "NFC"}""", "e\u0301", "é")]
    [InlineData("""{"type": "NFKC"}""", "ﬁ①", "fi1")]
    [InlineData("""{"type": "NFKD"}""", "é①", "e\u03011")]
    [InlineData("""{"type": "Lowercase"}""", "ABcİ", "abci\u0307")]
    [InlineData("""{"type": "Strip", "strip_left": true, "strip_right": false}""", "  a ", "a ")]
    [InlineData("""{"type": "Strip", "strip_left": false, "strip_right": true}""", " a\u3000", " a")]
    [InlineData("""{"type": "Prepend", "prepend": "_"}""", "a", "_a")]
    [InlineData("""{"type": "Replace", "pattern": {"String": "ab"}, "content": "c"}""", "abab b", "cc b")]
    [InlineData("""{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "_"}""", "a   b c", "a_b c")]
    [InlineData("""{"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]}""", "Éa", "ea")]
    public void Normalizers(string normalizer, string text, string expected) =>
        Assert.Equal(expected, string.Concat(Pieces(text, normalizer: normalizer)));

    [Theory]
    [InlineData("""{"type": "Whitespace"}""", "ab, c_1!? d", "ab|,|c_1|!?|d")]
    [InlineData("""{"type": "WhitespaceSplit"}""", " ab, c\u3000d", "ab,|c|d")]
    [InlineData("""{"type": "BertPreTokenizer"}""", "ab, c!?", "ab|,|c|!|?")]
    [InlineData("""{"type": "CharDelimiterSplit", "delimiter": "-"}""", "a-b--c", "a|b|c")]
    [InlineData("""{"type": "Punctuation"}""", "a!?b$", "a|!|?|b|$")]
    [InlineData("""{"type": "Punctuation", "behavior": "Contiguous"}""", "a!?b", "a|!?|b")]
    [InlineData("""{"type": "Digits", "individual_digits": false}""", "a12b½", "a|12|b|½")]
    [InlineData("""{"type": "Digits", "individual_digits": true}""", "a12b", "a|1|2|b")]
    [InlineData("""{"type": "Split", "pattern": {"Regex": "[a-z]+"}, "behavior": "Removed", "invert": true}""", "ab 12 c", "ab|c")]
    [InlineData("""{"type": "Split", "pattern": {"String": "b"}, "behavior": "MergedWithNext", "invert": false}""", "abcb", "a|bc|b")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true}""", "a b ", "a|▁b|▁")]
    [InlineData("""{"type": "Metaspace", "replacement": "▁", "add_prefix_space": true}""", "a b", "▁a|▁b")]
    [InlineData("""{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Digits", "individual_digits": true}]}""", "a1 2b", "a|1|2|b")]
    public void Pre_tokenizers(string preTokenizer, string text, string expected) =>
        Assert.Equal(expected, string.Join('|', Pieces(text, preTokenizer: preTokenizer)));

    [Theory]
    [InlineData("""{"type": "BertProcessing", "sep": ["b", 98], "cls": ["a", 97]}""", "97 99 98")]
    [InlineData("""{"type": "RobertaProcessing", "sep": ["b", 98], "cls": ["a", 97], "trim_offsets": true}""", "97 99 98")]
    [InlineData("""{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "x", "type_id": 0}}], "pair": [], "special_tokens": {"x": {"id": "x", "ids": [65, 66], "tokens": ["A", "B"]}}}""", "65 66 99 65 66")]
    [InlineData("""{"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "BertProcessing", "sep": ["b", 98], "cls": ["a", 97]}]}""", "97 99 98")]
    public void Post_processors(string postProcessor, string expected)
    {
        var tokenizer = Load(Characters(postProcessor: postProcessor));
        Assert.Equal(expected, string.Join(' ', tokenizer.Encode("c", addSpecialTokens: true)));
        Assert.Equal([99], tokenizer.Encode("c", addSpecialTokens: false));
    }

    [Theory]
    [InlineData("null", "a|_b|c", "a _b c")]
    [InlineData("""{"type": "Fuse"}""", "a|_b|c", "a_bc")]
    [InlineData("""{"type": "Replace", "pattern": {"String": "_"}, "content": " "}""", "a|_b|_", "a b ")]
    [InlineData("""{"type": "Replace", "pattern": {"Regex": "^_"}, "content": " "}""", "_|_b_", "  b_")]
    [InlineData("""{"type": "Strip", "content": "_", "start": 1, "stop": 0}""", "__a|_b", "_ab")]
    [InlineData("""{"type": "Strip", "content": "_", "start": 0, "stop": 1}""", "a__|b_|_", "a_b")]
    [InlineData("""{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "_", "start": 1, "stop": 2}]}""", "__a|_|b__|_|_", "_a_b__")]
    [InlineData("""{"type": "Metaspace", "replacement": "_", "prepend_scheme": "always"}""", "_a|_b|_", "a b ")]
    [InlineData("""{"type": "Metaspace", "replacement": "_", "prepend_scheme": "never"}""", "_a|_b", " a b")]
    [InlineData("""{"type": "ByteFallback"}""", "<0xE6>|<0x97>|<0xA5>|a|<0xE6>|<0x97>|b|<0x41>", "日a\uFFFD\uFFFDbA")]
    [InlineData("""{"type": "ByteLevel"}""", "Ġa|æ|Ĺ|¥|æ|Ĺ|b", " a日\uFFFDb")]
    public void Decoders(string decoder, string tokens, string expected)
    {
        var list = tokens.Split('|');
        var vocab = new JsonObject(list.Distinct().Select((token, id) => KeyValuePair.Create(token, (JsonNode?)id)));
        var tokenizer = Load($$"""
            {"added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": {{decoder}},
             "model": {"type": "BPE", "vocab": {{vocab.ToJsonString()}}, "merges": []} }
            """);
        var ids = list.Select(token => tokenizer.IdOf(token)!.Value).ToArray();
        Assert.Equal(expected, tokenizer.Decode(ids, skipSpecialTokens: false));
        var stream = tokenizer.CreateStream(skipSpecialTokens: false);
        Assert.Equal(expected, string.Concat(ids.Select(stream.Append)) + stream.Flush());
    }

    /// <summary>Bytes stand for unknown characters if all are there; else the unknown token does, one for a run where they are fused.</summary>
    [Theory]
    [InlineData("false", "false", "97 0 0 98")]
    [InlineData("true", "false", "97 0 98")]
    [InlineData("false", "true", "97 1 2 0 98")]
    public void Unknown_characters(string fuse, string bytes, string expected)
    {
        var tokenizer = Load($$"""
            {"added_tokens": [], "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": {{fuse}}, "byte_fallback": {{bytes}},
             "vocab": {"<unk>": 0, "<0xC3>": 1, "<0xA9>": 2, "a": 97, "b": 98}, "merges": []} }
            """);
        Assert.Equal(expected, string.Join(' ', tokenizer.Encode("aé日b", addSpecialTokens: false)));
    }

    /// <summary>A character that no token covers is dropped where there is no unknown token.</summary>
    [Fact]
    public void Without_an_unknown_token_unknown_characters_are_dropped() =>
        Assert.Equal([97, 98], Load(Characters()).Encode("a日b", addSpecialTokens: false));

    [Theory]
    [InlineData("normalizer", """{"type": "BertNormalizer"}""", "normalizer 'BertNormalizer'")]
    [InlineData("normalizer", """{"type": "Sequence", "normalizers": [{"type": "Nmt"}]}""", "normalizer 'Nmt'")]
    [InlineData("pre_tokenizer", """{"type": "UnicodeScripts"}""", "pre-tokenizer 'UnicodeScripts'")]
    [InlineData("pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Upset"}""", "behavior 'Upset'")]
    [InlineData("post_processor", """{"type": "Other"}""", "post-processor 'Other'")]
    [InlineData("decoder", """{"type": "WordPiece"}""", "decoder 'WordPiece'")]
    [InlineData("decoder", """{"type": "CTC"}""", "decoder 'CTC'")]
    [InlineData("model", """{"type": "WordPiece", "vocab": {}}""", "model 'WordPiece'")]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "</w>"}""", "end_of_word_suffix")]
    [InlineData("model", """{"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}""", "dropout")]
    public void An_unknown_component_is_refused_by_its_name(string part, string value, string named)
    {
        var json = JsonNode.Parse(Characters())!;
        json[part] = JsonNode.Parse(value);
        using var folder = new TemporaryFolder();
        var file = folder.Write("tokenizer.json", json.ToJsonString());
        var e = Assert.Throws<SteerException>(() => Tokenizer.Load(file));
        Assert.StartsWith(file + ": ", e.Message);
        Assert.Contains(named, e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    /// <summary>The pieces that reach the model, by a recorder in its place. No piece may come twice: the cache would answer.</summary>
    private static List<string> Pieces(string text, string normalizer = "null", string preTokenizer = "null")
    {
        using var document = JsonDocument.Parse($$"""{"normalizer": {{normalizer}}, "pre_tokenizer": {{preTokenizer}}}""");
        var root = new JsonPart("test", document.RootElement);
        var recorder = new Recorder();
        var steps = PreTokenizerReader.Read(root.Member("pre_tokenizer"), recorder);
        var normalized = root.Member("normalizer") is { } part ? NormalizerReader.Read(part) : null;
        var empty = new AddedTokenFinder([]);
        new TextPipeline(empty, empty, normalized, steps).Encode(text, []);
        return recorder.Words;
    }

    private static string Characters(string postProcessor = "null")
    {
        var vocab = string.Join(", ", Enumerable.Range(32, 95).Where(c => c is not ('"' or '\\')).Select(c => $"\"{(char)c}\": {c}"));
        return $$"""
            {"added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": {{postProcessor}}, "decoder": null,
             "model": {"type": "BPE", "vocab": { {{vocab}} }, "merges": []} }
            """;
    }

    private static Tokenizer Load(string json)
    {
        using var folder = new TemporaryFolder();
        return Tokenizer.Load(folder.Write("tokenizer.json", json));
    }

    private sealed class Recorder : WordModel
    {
        public List<string> Words { get; } = [];

        public override void Encode(ReadOnlySpan<char> word, List<int> into) => Words.Add(word.ToString());
    }
}
