using System.Text;
using System.Text.Json;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>Parts of JSON without white space, as expressions over its bytes.</summary>
internal sealed class JsonTexts
{
    /// <summary>How deep arrays and objects of which nothing is said may lie in each other.</summary>
    public const int MaxDepth = 8;

    private const string ShortEscapes = "\"\"\\\\\bb\ff\nn\rr\tt"; // a character and what is written for it after a backslash

    private static readonly CodePointSet All = CodePointSet.Of(0, 0x10FFFF);
    private static readonly CodePointSet Escaped = CodePointSet.Union(
        [CodePointSet.Of(0, 0x1F), CodePointSet.Of('"', '"'), CodePointSet.Of('\\', '\\'), CodePointSet.Of(0x7F, 0x7F)]);

    private readonly ByteTerms _terms;
    private readonly Dictionary<CodePointSet, int> _characters = [];
    private readonly Dictionary<int[], int> _listedCharacters = new(IntListComparer.Instance);
    private int? _anyValue;

    /// <summary>Makes expressions in <paramref name="terms"/>.</summary>
    public JsonTexts(ByteTerms terms)
    {
        _terms = terms;
        AnyCharacter = Character(All);
        Comma = terms.Literal(",");
        var digits = terms.Bytes(ByteSet.Of('0', '9'));
        var natural = terms.Concat(terms.Bytes(ByteSet.Of('1', '9')), terms.Repeat(digits, 0, ByteTerms.Unlimited));
        var whole = terms.Or(terms.Literal("0"), natural);
        var fraction = terms.Concat(terms.Literal("."), terms.Repeat(digits, 1, ByteTerms.Unlimited));

        // More digits of the exponent would leave the range of a double.
        var exponent = terms.Concat(
            terms.Or(terms.Literal("e"), terms.Literal("E")),
            terms.Optional(terms.Or(terms.Literal("+"), terms.Literal("-"))),
            terms.Repeat(digits, 1, 2));
        AnyNumber = terms.Concat(terms.Optional(terms.Literal("-")), whole, terms.Optional(fraction), terms.Optional(exponent));
        AnyString = Quoted(terms.Repeat(AnyCharacter, 0, ByteTerms.Unlimited));
    }

    /// <summary>One character of a string.</summary>
    public int AnyCharacter { get; }

    /// <summary>A comma.</summary>
    public int Comma { get; }

    /// <summary>Any number; its exponent has two digits at most.</summary>
    public int AnyNumber { get; }

    /// <summary>Any string.</summary>
    public int AnyString { get; }

    /// <summary>Any value, with at most <see cref="MaxDepth"/> arrays and objects around its innermost values.</summary>
    public int AnyValue => _anyValue ??= MakeAnyValue();

    /// <summary>
    /// One character of a set within a string. Control characters, quotes and backslashes are escaped, by their short name or as \u00XX; no others
    /// are, so that each text can be written in few ways.
    /// </summary>
    public int Character(CodePointSet set)
    {
        if (_characters.TryGetValue(set, out var known))
            return known;
        var ways = new List<int> { Utf8Ranges.Of(_terms, set.Intersect(Escaped.Complement())) };
        for (var i = 0; i < ShortEscapes.Length; i += 2)
        {
            if (set.Contains(ShortEscapes[i]))
                ways.Add(_terms.Literal($"\\{ShortEscapes[i + 1]}"));
        }

        for (var c = 0; c < 0x80; c++)
        {
            if (Escaped.Contains(c) && set.Contains(c))
                ways.Add(_terms.Concat(_terms.Literal("\\u00"), HexDigit(c >> 4), HexDigit(c & 15)));
        }

        return _characters[set] = _terms.Or(ways.ToArray());
    }

    /// <summary>A string of this content.</summary>
    public int Quoted(int content) => _terms.Concat(_terms.Literal("\""), content, _terms.Literal("\""));

    /// <summary>Any string but these.</summary>
    public int StringsBut(IEnumerable<string> texts)
    {
        var sorted = texts.Select(text => text.EnumerateRunes().Select(rune => rune.Value).ToArray()).ToList();
        return Quoted(ContentBut(sorted, 0));
    }

    /// <summary>
    /// Items with commas between them, at least <paramref name="min"/> and at most <paramref name="max"/>; with a comma before the first one unless
    /// <paramref name="isFirst"/>.
    /// </summary>
    public int List(int item, int min, int max, bool isFirst)
    {
        if (!isFirst)
            return _terms.Repeat(_terms.Concat(Comma, item), min, max);
        if (max == 0 || item == ByteTerms.Nothing)
            return min == 0 ? ByteTerms.Empty : ByteTerms.Nothing;
        var most = max == ByteTerms.Unlimited ? max : max - 1;
        var list = _terms.Concat(item, _terms.Repeat(_terms.Concat(Comma, item), Math.Max(min - 1, 0), most));
        return min == 0 ? _terms.Optional(list) : list;
    }

    /// <summary>A value as it is written here: no white space, characters escaped only where they must be, numbers as they are.</summary>
    public static string Write(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return Write(value.GetString()!);
            case JsonValueKind.Array:
                return $"[{string.Join(',', value.EnumerateArray().Select(Write))}]";
            case JsonValueKind.Object:
                return $"{{{string.Join(',', value.EnumerateObject().Select(member => $"{Write(member.Name)}:{Write(member.Value)}"))}}}";
            default:
                return value.GetRawText();
        }
    }

    /// <summary>A string, likewise.</summary>
    public static string Write(string text)
    {
        var written = new StringBuilder("\"");
        foreach (var c in text)
        {
            if (!Escaped.Contains(c))
                written.Append(c);
            else if (ShortEscapes.Chunk(2).FirstOrDefault(pair => pair[0] == c) is [_, var name])
                written.Append('\\').Append(name);
            else
                written.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }

        return written.Append('"').ToString();
    }

    private int HexDigit(int value)
    {
        var digit = $"{value:x}";
        return _terms.Or(_terms.Literal(digit), _terms.Literal(digit.ToUpperInvariant()));
    }

    /// <summary>What may follow the characters that all of these texts begin with so that none of them results.</summary>
    private int ContentBut(List<int[]> texts, int at)
    {
        if (texts.Count == 0)
            return _terms.Repeat(AnyCharacter, 0, ByteTerms.Unlimited);
        var ways = new List<int>();
        if (texts.All(text => text.Length > at))
            ways.Add(ByteTerms.Empty);
        var groups = texts.Where(text => text.Length > at).GroupBy(text => text[at]).OrderBy(group => group.Key).ToList();
        foreach (var group in groups)
            ways.Add(_terms.Concat(CharacterOf([group.Key], isOther: false), ContentBut([.. group], at + 1)));
        ways.Add(_terms.Concat(CharacterOf([.. groups.Select(group => group.Key)], isOther: true), ContentBut([], at + 1)));
        return _terms.Or(ways.ToArray());
    }

    /// <summary>One of these characters, or one that is none of them.</summary>
    private int CharacterOf(int[] characters, bool isOther)
    {
        int[] key = isOther ? [-1, .. characters] : characters;
        if (_listedCharacters.TryGetValue(key, out var term))
            return term;
        var set = CodePointSet.Union(characters.Select(c => CodePointSet.Of(c, c)));
        return _listedCharacters[key] = Character(isOther ? set.Complement() : set);
    }

    private int MakeAnyValue()
    {
        var scalar = _terms.Or(_terms.Literal("null"), _terms.Literal("true"), _terms.Literal("false"), AnyNumber, AnyString);
        var value = scalar;
        for (var depth = 0; depth < MaxDepth; depth++)
        {
            var member = _terms.Concat(AnyString, _terms.Literal(":"), value);
            value = _terms.Or(
                scalar,
                _terms.Concat(_terms.Literal("["), List(value, 0, ByteTerms.Unlimited, isFirst: true), _terms.Literal("]")),
                _terms.Concat(_terms.Literal("{"), List(member, 0, ByteTerms.Unlimited, isFirst: true), _terms.Literal("}")));
        }

        return value;
    }
}
