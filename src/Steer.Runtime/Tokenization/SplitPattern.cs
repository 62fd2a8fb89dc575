namespace Steer.Runtime.Tokenization;

/// <summary>What becomes of the matches of a pattern when a text is split by it.</summary>
internal enum SplitBehavior
{
    /// <summary>Each match is a piece.</summary>
    Isolated,

    /// <summary>Matches are left out.</summary>
    Removed,

    /// <summary>A match goes with the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>A match goes with the piece after it.</summary>
    MergedWithNext,

    /// <summary>Neighbouring matches are one piece.</summary>
    Contiguous,
}

/// <summary>A part of a text, and whether the pattern matched it.</summary>
internal readonly record struct SplitPiece(int Start, int End, bool IsMatch);

/// <summary>Cuts a text into matches and what is between them.</summary>
internal abstract class SplitPattern
{
    /// <summary>Longest regular expression that is read; those of real tokenizers have some hundred characters.</summary>
    private const int MaxPatternLength = 2048;

    /// <summary>Appends the pieces of a text, which follow each other without a gap; empty matches may be among them.</summary>
    public abstract void Cut(ReadOnlySpan<char> text, List<SplitPiece> pieces);

    /// <summary>A pattern that is a text to look for.</summary>
    public static SplitPattern Literal(string text) => new LiteralPattern(text);

    /// <summary>A pattern that matches single characters for which a test holds.</summary>
    public static SplitPattern Characters(string name, Func<int, bool> test) => new CharacterPattern(name, test);

    /// <summary>A regular expression in Oniguruma's syntax.</summary>
    /// <exception cref="SteerException">It is damaged, too long, or uses what is not known.</exception>
    public static SplitPattern Regex(string file, string pattern)
    {
        if (pattern.Length > MaxPatternLength)
            throw new SteerException($"{file}: a pattern of {pattern.Length} characters is too long; at most {MaxPatternLength} are read");
        try
        {
            return new RegexPattern(file, pattern);
        }
        catch (FormatException e)
        {
            throw new SteerException($"{file}: pattern {Vocabulary.Show(pattern)} has {e.Message}, which is not supported", e);
        }
    }

    /// <summary>Arranges the pieces of <see cref="Cut"/> as a behaviour asks; pieces may be empty.</summary>
    public static void Arrange(List<SplitPiece> pieces, SplitBehavior behavior)
    {
        switch (behavior)
        {
            case SplitBehavior.Removed:
                pieces.RemoveAll(piece => piece.IsMatch);
                break;
            case SplitBehavior.Contiguous:
                Join(pieces, (previous, current) => previous.IsMatch == current.IsMatch);
                break;
            case SplitBehavior.MergedWithPrevious:
                Join(pieces, (previous, current) => current.IsMatch && !previous.IsMatch);
                break;
            case SplitBehavior.MergedWithNext:
                Join(pieces, (previous, current) => previous.IsMatch && !current.IsMatch);
                break;
        }
    }

    /// <summary>Joins neighbours where the test holds for the last original piece of the one and the first of the other.</summary>
    private static void Join(List<SplitPiece> pieces, Func<SplitPiece, SplitPiece, bool> together)
    {
        var kept = 0;
        for (var i = 0; i < pieces.Count; i++)
        {
            var current = pieces[i];
            if (i > 0 && together(pieces[kept - 1], current))
                pieces[kept - 1] = current with { Start = pieces[kept - 1].Start };
            else
                pieces[kept++] = current;
        }

        pieces.RemoveRange(kept, pieces.Count - kept);
    }

    private static void AddMatch(List<SplitPiece> pieces, ref int end, int start, int length)
    {
        if (start > end)
            pieces.Add(new SplitPiece(end, start, false));
        end = start + length;
        pieces.Add(new SplitPiece(start, end, true));
    }

    private static void AddRest(List<SplitPiece> pieces, int end, int textLength)
    {
        if (end < textLength)
            pieces.Add(new SplitPiece(end, textLength, false));
    }

    private sealed class LiteralPattern(string literal) : SplitPattern
    {
        public override void Cut(ReadOnlySpan<char> text, List<SplitPiece> pieces)
        {
            var end = 0;
            while (literal.Length > 0 && text[end..].IndexOf(literal) is >= 0 and var offset)
                AddMatch(pieces, ref end, end + offset, literal.Length);
            AddRest(pieces, end, text.Length);
        }

        public override string ToString() => $"\"{literal}\"";
    }

    private sealed class CharacterPattern(string name, Func<int, bool> test) : SplitPattern
    {
        public override void Cut(ReadOnlySpan<char> text, List<SplitPiece> pieces)
        {
            var end = 0;
            for (var at = 0; at < text.Length;)
            {
                System.Text.Rune.DecodeFromUtf16(text[at..], out var rune, out var width);
                if (test(rune.Value))
                    AddMatch(pieces, ref end, at, width);
                at += width;
            }

            AddRest(pieces, end, text.Length);
        }

        public override string ToString() => name;
    }

    private sealed class RegexPattern(string file, string pattern) : SplitPattern
    {
        private readonly RegexProgram _program = RegexProgram.Compile(OnigurumaParser.Parse(pattern));

        public override void Cut(ReadOnlySpan<char> text, List<SplitPiece> pieces)
        {
            using var matcher = new RegexMatcher(_program, text);
            var end = 0;
            try
            {
                for (var start = 0; start <= text.Length;)
                {
                    var matchEnd = matcher.Match(start);
                    if (matchEnd > start || (matchEnd == start && (start > end || pieces.Count == 0)))
                        AddMatch(pieces, ref end, start, matchEnd - start);
                    if (matchEnd > start)
                        start = matchEnd;
                    else if (start < text.Length)
                        start += matcher.Width(start);
                    else
                        break;
                }
            }
            catch (InvalidDataException e)
            {
                throw new SteerException($"{file}: pattern {Vocabulary.Show(pattern)} {e.Message} on a text of {text.Length} characters", e);
            }

            AddRest(pieces, end, text.Length);
        }

        public override string ToString() => $"/{pattern}/";
    }
}
