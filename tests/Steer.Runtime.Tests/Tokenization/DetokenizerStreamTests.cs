using CsCheck;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

public sealed class DetokenizerStreamTests
{
    private static readonly string[] Sources =
    [
        "tokenizer_json/gpt2-like", "tokenizer_json/llama2-like", "tokenizer_json/gemma-like", "tokenizer_json/metaspace-split",
        "sentencepiece/tok512.model", "sentencepiece/tok512.bin", "sentencepiece/unibytes.model", "sentencepiece/uni.model",
    ];

    public static TheoryData<string> Tokenizers => [.. Sources];

    /// <summary>Held against decoding the whole list, on tokens drawn at random: most are bytes of no character.</summary>
    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void Texts_of_a_stream_joined_are_the_decoded_text(string source)
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Goldens.Folder, source));
        Gen.Select(Gen.Int[-1, tokenizer.VocabSize].Array[0, 30], Gen.Int[0, 300].Array[0, 10], Gen.Bool).Sample(
            (any, bytes, skip) =>
            {
                int[] ids = [.. any, .. bytes, .. any.Reverse()];
                var whole = tokenizer.Decode(ids, skip);
                var stream = tokenizer.CreateStream(skip);
                var pieces = ids.Select(stream.Append).ToList();
                pieces.Add(stream.Flush());
                Assert.Equal(whole, string.Concat(pieces));
                Assert.All(pieces, AssertWholeCharacters);
            },
            iter: 200);
    }

    /// <summary>Text that was encoded comes back without a replacement character at any moment.</summary>
    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void No_piece_of_a_text_ends_in_half_a_character(string source)
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Goldens.Folder, source));
        const string text = "naïve 日本語 👩\u200D👩\u200D👧 🇬🇧 ünïcödé e\u0301";
        var stream = tokenizer.CreateStream(skipSpecialTokens: true);
        var pieces = tokenizer.Encode(text, addSpecialTokens: true).Select(stream.Append).Append(stream.Flush()).ToList();
        Assert.All(pieces, AssertWholeCharacters);
        if (source != "sentencepiece/uni.model") // has no bytes: unknown characters are lost
            Assert.Equal(text, string.Concat(pieces).TrimEnd()); // unibytes ends each word with a space, the last one too
        Assert.All(pieces, piece => Assert.DoesNotContain('\uFFFD', piece));
    }

    [Fact]
    public void A_context_keeps_the_space_before_a_completion()
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Goldens.Folder, "sentencepiece/tok512.model"));
        var prompt = tokenizer.Encode("Once upon", addSpecialTokens: true);
        var all = tokenizer.Encode("Once upon a time", addSpecialTokens: true);
        Assert.Equal(prompt, all[..prompt.Length]);
        var stream = tokenizer.CreateStream(skipSpecialTokens: true, prompt);
        Assert.Equal(" a time", string.Concat(all[prompt.Length..].Select(stream.Append)) + stream.Flush());
    }

    /// <summary>Held against decoding both at once: a context may end in bytes, such as a line's end, which the decoder holds back.</summary>
    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void What_follows_a_context_is_all_that_it_does_not_give_itself(string source)
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Goldens.Folder, source));
        string[] parts = ["a", " b", "\n", "日", "\u0001", "🙂", "é"];
        var texts = Gen.Int[0, parts.Length - 1].Array[0, 4].Select(chosen => string.Concat(chosen.Select(i => parts[i])));
        Gen.Select(texts, texts).Sample((before, after) =>
        {
            int[] context = tokenizer.Encode(before, addSpecialTokens: true), follows = tokenizer.Encode(after, addSpecialTokens: false);
            var stream = tokenizer.CreateStream(skipSpecialTokens: true, context);
            var given = string.Concat(follows.Select(stream.Append)) + stream.Flush();
            Assert.Equal(tokenizer.Decode([.. context, .. follows], skipSpecialTokens: true), tokenizer.Decode(context, skipSpecialTokens: true) + given);
        });
    }

    [Fact]
    public void A_character_that_a_context_begins_is_given_whole()
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Goldens.Folder, "tokenizer_json/llama2-like"));
        const int bytes = 3; // id of <0x00>
        var stream = tokenizer.CreateStream(skipSpecialTokens: true, [bytes + 0xC3]);
        Assert.Equal("é", stream.Append(bytes + 0xA9) + stream.Flush());
    }

    private static void AssertWholeCharacters(string piece)
    {
        // A lone half would become U+FFFD here.
        Assert.Equal(piece, string.Concat(piece.EnumerateRunes()));
    }
}
