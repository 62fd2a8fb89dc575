using Steer.Runtime.Engine;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Engine;

/// <summary>Stop texts that begin in one token and end in another, and what a stream may show meanwhile.</summary>
public class TextAssemblerTests
{
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Path.Combine(GoldenFiles.Weights, "base"));

    [Theory]
    [InlineData("one two three. Four", new[] { ". F" }, "one two three")]
    [InlineData("one two three. Four", new[] { "Four", "two" }, "one ")]
    [InlineData("one two three", new[] { "four" }, "one two three")]
    [InlineData("a — b — c 🚀 d", new[] { "🚀" }, "a — b — c ")]
    [InlineData("aaaab", new[] { "aab" }, "aa")]
    public void Text_ends_before_the_first_stop_and_the_stream_never_shows_more(string text, string[] stops, string expected)
    {
        var assembler = new TextAssembler(Tokenizer, [], stops);
        string streamed = "";
        bool stopped = false;
        foreach (int token in Tokenizer.Encode(text, addSpecialTokens: false))
        {
            stopped = assembler.Append(token);
            streamed += assembler.Release(final: stopped);
            Assert.StartsWith(streamed, expected, StringComparison.Ordinal);
            if (stopped)
                break;
        }

        if (!stopped)
        {
            assembler.Flush();
            streamed += assembler.Release(final: true);
        }

        Assert.Equal(expected, assembler.Text);
        Assert.Equal(expected, streamed);
        Assert.Equal(expected != text, stopped);
    }

    [Fact]
    public void A_stream_never_shows_half_a_character()
    {
        const string text = "été 漢字 🚀👩‍🚀";
        var assembler = new TextAssembler(Tokenizer, [], []);
        string streamed = "";
        foreach (int token in Tokenizer.Encode(text, addSpecialTokens: false))
        {
            assembler.Append(token);
            string piece = assembler.Release(final: false);
            Assert.DoesNotContain('\uFFFD', piece);
            Assert.True(piece.Length == 0 || !char.IsHighSurrogate(piece[^1]));
            streamed += piece;
        }

        Assert.Equal(text, streamed);
    }
}
