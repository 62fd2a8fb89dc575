using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>
/// Added tokens in text, beyond what the stored pipeline `added-tokens` has. Held against the documentation of AddedToken in Hugging Face tokenizers.
/// </summary>
public sealed class AddedTokenTests
{
    [Theory]
    [InlineData("ab", false, false, false, "xabx", "x|[ab]|x")]
    [InlineData("ab", true, false, false, "xab ab, ab_ ab", "xab |[ab]|, ab_ |[ab]")]
    [InlineData("ab", true, false, false, "éab 𝒜ab ab日", "éab 𝒜ab ab日")]
    [InlineData("ab", false, true, false, "x \n ab y", "x|[ \n ab]| y")]
    [InlineData("ab", false, false, true, "x ab \t y", "x |[ab \t ]|y")]
    [InlineData("ab", false, true, true, " ab  ab ", "[ ab  ]|[ab ]")]
    public void Where_a_token_is_found(string content, bool singleWord, bool leftStrip, bool rightStrip, string text, string expected)
    {
        var finder = new AddedTokenFinder([(content, new AddedToken(1, content, singleWord, leftStrip, rightStrip, false, false))]);
        Assert.Equal(expected, string.Join('|', Cut(finder, text)));
    }

    [Fact]
    public void The_leftmost_token_goes_first_and_of_several_there_the_longest()
    {
        var finder = new AddedTokenFinder(new[] { "bc", "ab", "abc", "abcd", "d" }.Select((content, id) => (content, new AddedToken(id, content, false, false, false, false, false))));
        Assert.Equal("x|[abcd]|[bc]", string.Join('|', Cut(finder, "xabcdbc")));
        Assert.Equal("[abc]|e|[d]", string.Join('|', Cut(finder, "abced")));
    }

    private static IEnumerable<string> Cut(AddedTokenFinder finder, string text)
    {
        var parts = new List<string>();
        var (from, taken) = (0, 0);
        while (finder.TryFind(text, ref from, taken, out var start, out var end, out _))
        {
            if (start > taken)
                parts.Add(text[taken..start]);
            parts.Add($"[{text[start..end]}]");
            taken = end;
        }

        if (taken < text.Length)
            parts.Add(text[taken..]);
        return parts;
    }
}
