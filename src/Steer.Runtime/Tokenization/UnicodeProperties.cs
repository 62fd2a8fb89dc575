using System.Collections.Concurrent;
using System.Globalization;

namespace Steer.Runtime.Tokenization;

/// <summary>Code point sets by the names that patterns use: general categories and a few properties.</summary>
internal static class UnicodeProperties
{
    private static readonly string[] CategoryNames =
    [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe", "Pi",
        "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn",
    ];

    private static readonly Dictionary<string, string> LongNames = new()
    {
        ["letter"] = "L", ["uppercaseletter"] = "Lu", ["lowercaseletter"] = "Ll", ["titlecaseletter"] = "Lt", ["modifierletter"] = "Lm",
        ["otherletter"] = "Lo", ["mark"] = "M", ["nonspacingmark"] = "Mn", ["spacingmark"] = "Mc", ["enclosingmark"] = "Me", ["number"] = "N",
        ["decimalnumber"] = "Nd", ["letternumber"] = "Nl", ["othernumber"] = "No", ["separator"] = "Z", ["other"] = "C", ["control"] = "Cc",
        ["format"] = "Cf", ["privateuse"] = "Co", ["unassigned"] = "Cn", ["punctuation"] = "P", ["connectorpunctuation"] = "Pc",
        ["dashpunctuation"] = "Pd", ["openpunctuation"] = "Ps", ["closepunctuation"] = "Pe", ["initialpunctuation"] = "Pi",
        ["finalpunctuation"] = "Pf", ["otherpunctuation"] = "Po", ["symbol"] = "S", ["mathsymbol"] = "Sm", ["currencysymbol"] = "Sc",
        ["modifiersymbol"] = "Sk", ["othersymbol"] = "So", ["spaceseparator"] = "Zs", ["lineseparator"] = "Zl", ["paragraphseparator"] = "Zp",
    };

    private static readonly ConcurrentDictionary<string, CodePointSet> Cache = new();

    /// <summary>Property White_Space.</summary>
    public static CodePointSet WhiteSpace => Named("White_Space", IsWhiteSpace);

    /// <summary>What \w stands for in Oniguruma: as <see cref="IsWord"/> without the joiners.</summary>
    public static CodePointSet Word => Named("Word", c => IsWord(c) && c is not (0x200C or 0x200D));

    /// <summary>Decimal digits.</summary>
    public static CodePointSet Digit => Category("Nd")!;

    /// <summary>White_Space of one code point.</summary>
    public static bool IsWhiteSpace(int c) => c <= 0xFFFF && char.IsWhiteSpace((char)c);

    /// <summary>Whether \w matches a code point in Unicode's own definition (UTS 18): alphabetic, mark, decimal digit, connector, joiner.</summary>
    public static bool IsWord(int c) => CharUnicodeInfo.GetUnicodeCategory(c) switch
    {
        <= UnicodeCategory.LetterNumber => true, // L, M, Nd, Nl
        UnicodeCategory.ConnectorPunctuation => true,
        UnicodeCategory.Format => c is 0x200C or 0x200D,
        // Circled and squared letters are symbols with the property Alphabetic.
        UnicodeCategory.OtherSymbol => c is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169)
            or (>= 0x1F170 and <= 0x1F189),
        _ => false,
    };

    /// <summary>Punctuation as splitters understand it: general category P, and every ASCII character that is no letter, digit or control.</summary>
    public static bool IsPunctuation(int c) => c < 0x80
        ? c is > ' ' and < 0x7F && !char.IsAsciiLetterOrDigit((char)c)
        : CharUnicodeInfo.GetUnicodeCategory(c) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;

    /// <summary>The set of a property's name, such as L, Lu, Letter or Space; null where it is not known.</summary>
    public static CodePointSet? Property(string name)
    {
        var key = string.Concat(name.Where(c => c is not (' ' or '_' or '-'))).ToLowerInvariant();
        return key switch
        {
            "space" or "whitespace" => WhiteSpace,
            "any" => CodePointSet.Of(0, 0x10FFFF),
            "ascii" => CodePointSet.Of(0, 0x7F),
            _ => Category(LongNames.GetValueOrDefault(key, key)),
        };
    }

    /// <summary>The set of a general category (Lu) or a group of them (L); null where there is none of that name.</summary>
    private static CodePointSet? Category(string name)
    {
        var members = Enumerable.Range(0, CategoryNames.Length)
            .Where(i => name.Length is 1 or 2 && CategoryNames[i].StartsWith(name, StringComparison.OrdinalIgnoreCase))
            .Select(i => (UnicodeCategory)i)
            .ToHashSet();
        return members.Count == 0 ? null : Named(name.ToUpperInvariant(), c => members.Contains(CharUnicodeInfo.GetUnicodeCategory(c)));
    }

    private static CodePointSet Named(string name, Func<int, bool> test) => Cache.GetOrAdd(name, _ => CodePointSet.Where(test));
}
