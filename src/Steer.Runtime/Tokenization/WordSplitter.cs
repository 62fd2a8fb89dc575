namespace Steer.Runtime.Tokenization;

/// <summary>
/// The two patterns that nearly all byte-level tokenizers split text with, as hand-written matchers: several times faster than a regular
/// expression, and right beyond the basic plane, where .NET's \p{L} sees halves of a pair. Every character of a text is in one match.
/// </summary>
internal abstract class WordSplitter
{
    private const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string Llama3Start = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";

    private const string Llama3End = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>GPT-2's pattern.</summary>
    public static WordSplitter Gpt2 { get; } = new Gpt2Splitter();

    /// <summary>The matcher of a pattern, or null where it is neither.</summary>
    public static WordSplitter? ForPattern(string pattern) => pattern switch
    {
        Gpt2Pattern => Gpt2,
        Llama3Start + @"\p{N}{1,3}" + Llama3End => new Llama3Splitter(3),
        Llama3Start + @"\p{N}" + Llama3End => new Llama3Splitter(1),
        _ => null,
    };

    /// <summary>Length of the match at the start of a text that is not empty; what came before does not matter.</summary>
    public abstract int Match(ReadOnlySpan<char> text);

    /// <summary>
    /// Length of `\s+(?!\S)|\s+` where the text begins with white space of this length: all but the last, which goes to the next word.
    /// </summary>
    private static int SpacesBeforeWord(int spaces, int textLength) => spaces == textLength || spaces == 1 ? spaces : spaces - 1;

    /// <summary>Length of 's 't 'm 'd 're 've 'll at the start of a text that begins with an apostrophe, or 0.</summary>
    private static int Contraction(ReadOnlySpan<char> text, bool ignoreCase)
    {
        if (text.Length < 2)
            return 0;
        var first = Fold(text[1]);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (text.Length < 3)
            return 0;
        return (first, Fold(text[2])) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;

        // The long s is a case variant of s.
        char Fold(char c) => !ignoreCase ? c : c == '\u017F' ? 's' : char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;
    }

    private sealed class Gpt2Splitter : WordSplitter
    {
        public override int Match(ReadOnlySpan<char> text)
        {
            if (text[0] == '\'' && Contraction(text, ignoreCase: false) is > 0 and var contraction)
                return contraction;

            var lead = text[0] == ' ' && text.Length > 1 ? 1 : 0;
            var kind = CharKinds.At(text, lead, out var width);
            if (kind != CharKind.Space)
                return lead + width + CharKinds.Run(text[(lead + width)..], kind);
            return SpacesBeforeWord(CharKinds.Run(text, CharKind.Space), text.Length);
        }

        public override string ToString() => Gpt2Pattern;
    }

    /// <summary>The pattern of Llama 3 and of Qwen, which differ in how many digits make a word.</summary>
    private sealed class Llama3Splitter(int maxDigits) : WordSplitter
    {
        public override int Match(ReadOnlySpan<char> text)
        {
            var c = text[0];
            if (c == '\'' && Contraction(text, ignoreCase: true) is > 0 and var contraction)
                return contraction;

            var kind = CharKinds.At(text, 0, out var width);
            switch (kind)
            {
                case CharKind.Letter:
                    return CharKinds.Run(text, CharKind.Letter);
                case CharKind.Number:
                    return Digits(text);
            }

            // One character of any kind but a line break goes with the letters after it; a space goes with punctuation too.
            if (c is not ('\r' or '\n') && CharKinds.Run(text[width..], CharKind.Letter) is > 0 and var letters)
                return width + letters;
            var lead = c == ' ' ? 1 : 0;
            if (CharKinds.Run(text[lead..], CharKind.Other) is > 0 and var others)
            {
                var end = lead + others;
                while (end < text.Length && text[end] is '\r' or '\n')
                    end++;
                return end;
            }

            var spaces = CharKinds.Run(text, CharKind.Space);
            var lastBreak = text[..spaces].LastIndexOfAny('\r', '\n');
            return lastBreak >= 0 ? lastBreak + 1 : SpacesBeforeWord(spaces, text.Length);
        }

        private int Digits(ReadOnlySpan<char> text)
        {
            var at = 0;
            for (var digits = 0; digits < maxDigits && at < text.Length && CharKinds.At(text, at, out var width) == CharKind.Number; digits++)
                at += width;
            return at;
        }

        public override string ToString() => Llama3Start + (maxDigits == 1 ? @"\p{N}" : $@"\p{{N}}{{1,{maxDigits}}}") + Llama3End;
    }
}
