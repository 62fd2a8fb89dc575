using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Steer.Runtime.Grammars;

/// <summary>A number by its decimal digits, exactly as JSON wrote it.</summary>
/// <param name="IsNegative">Below zero.</param>
/// <param name="Whole">Digits before the point, none of them a zero at the front but that of "0".</param>
/// <param name="Fraction">Digits behind it, none of them a zero at the end.</param>
internal sealed record DecimalText(bool IsNegative, string Whole, string Fraction) : IComparable<DecimalText>
{
    /// <summary>Most digits that are written out.</summary>
    private const int MaxDigits = 400;

    /// <summary>Zero.</summary>
    public static DecimalText Zero { get; } = new(false, "0", "");

    /// <summary>Whether it has no fraction.</summary>
    public bool IsInteger => Fraction.Length == 0;

    /// <summary>The number of a JSON value; null if it has too many digits.</summary>
    public static DecimalText? TryRead(JsonElement number)
    {
        var text = number.GetRawText();
        var exponentAt = text.IndexOfAny(['e', 'E']);
        var exponent = 0;
        if (exponentAt >= 0 && !int.TryParse(text.AsSpan(exponentAt + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent))
            return null;
        var mantissa = exponentAt < 0 ? text : text[..exponentAt];
        var isNegative = mantissa.StartsWith('-');
        var parts = mantissa.TrimStart('-').Split('.');
        var digits = string.Concat(parts);
        var point = (long)parts[0].Length + exponent;
        if (digits.Length > MaxDigits || point is < -MaxDigits or > MaxDigits)
            return null;
        if (point < 0)
            (digits, point) = (new string('0', (int)-point) + digits, 0);
        digits = digits.PadRight((int)point, '0');
        var whole = digits[..(int)point].TrimStart('0') is { Length: > 0 } some ? some : "0";
        var fraction = digits[(int)point..].TrimEnd('0');
        return new DecimalText(isNegative && (whole != "0" || fraction.Length > 0), whole, fraction);
    }

    /// <summary>The number with the other sign.</summary>
    public DecimalText Negated() => this == Zero ? this : this with { IsNegative = !IsNegative };

    /// <summary>The number times ten to the power of <paramref name="digits"/>, which makes it an integer.</summary>
    public BigInteger Scaled(int digits)
    {
        var scaled = BigInteger.Parse(Whole + Fraction.PadRight(digits, '0'), NumberStyles.None, CultureInfo.InvariantCulture);
        return IsNegative ? -scaled : scaled;
    }

    /// <inheritdoc/>
    public int CompareTo(DecimalText? other)
    {
        var digits = Math.Max(Fraction.Length, other?.Fraction.Length ?? 0);
        return Scaled(digits).CompareTo((other ?? Zero).Scaled(digits));
    }
}
