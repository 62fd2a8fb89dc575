namespace Steer.Runtime.Grammars;

/// <summary>An end of a range of numbers.</summary>
/// <param name="Value">The number there.</param>
/// <param name="IsIncluded">It belongs to the range.</param>
internal sealed record NumberBound(DecimalText Value, bool IsIncluded);

/// <summary>Numbers of a range as expressions over their digits: exact, without exponents.</summary>
internal sealed class NumberTerms
{
    private const int MaxDivisor = 10_000;
    private const int MaxStates = 1 << 16;

    private readonly ByteTerms _terms;
    private readonly int _anyDigits;
    private readonly int _someDigits;

    /// <summary>Makes expressions in <paramref name="terms"/>.</summary>
    public NumberTerms(ByteTerms terms)
    {
        _terms = terms;
        _anyDigits = terms.Repeat(Digits('0', '9'), 0, ByteTerms.Unlimited);
        _someDigits = terms.Repeat(Digits('0', '9'), 1, ByteTerms.Unlimited);
    }

    /// <summary>The numbers between two bounds; null is none.</summary>
    public int Range(NumberBound? lower, NumberBound? upper, bool isInteger)
    {
        var zero = new NumberBound(DecimalText.Zero, true);
        var ways = new List<int>();
        if (upper is not { Value.IsNegative: true })
            ways.Add(new Magnitudes(this, lower is { Value.IsNegative: false } ? lower : zero, upper, isInteger).Term());
        if (lower is null || lower.Value.IsNegative)
        {
            var nearest = upper is { Value.IsNegative: true } ? Negated(upper) : zero with { IsIncluded = false };
            ways.Add(_terms.Concat(_terms.Literal("-"), new Magnitudes(this, nearest, lower is null ? null : Negated(lower), isInteger).Term()));
        }

        return _terms.Or(ways.ToArray());

        static NumberBound Negated(NumberBound bound) => bound with { Value = bound.Value.Negated() };
    }

    /// <summary>Those of the numbers that are multiples of another.</summary>
    /// <exception cref="FormatException">The other one is too large.</exception>
    public int Multiples(int numbers, DecimalText divisor)
    {
        var places = divisor.Fraction.Length;
        if (divisor.Scaled(places) is var scaled && (scaled > MaxDivisor || places > 9))
            throw new FormatException($"has a 'multipleOf' of more than {MaxDivisor}, its decimal point left out, or of more than 9 decimal places");
        var multiple = new MultipleOf((int)scaled, places);
        return ByteDfa.TryBuild(_terms, (Places: -1, Remainder: 0), multiple.Next, multiple.Accepts, MaxStates) is { } multiples
            && ByteDfa.TryIntersect(_terms, numbers, multiples, MaxStates) is { } both
                ? both
                : throw new FormatException("has a 'multipleOf' that, with the bounds, needs too many states");
    }

    private int Digits(int first, int last) => first > last ? ByteTerms.Nothing : _terms.Bytes(ByteSet.Of(first, last));

    /// <summary>Digits of a number without a sign, and what remains of it after division: no place (-1) while the point is not read.</summary>
    private sealed class MultipleOf(int divisor, int maxPlaces)
    {
        public bool Accepts((int Places, int Remainder) state)
        {
            var remainder = (long)state.Remainder;
            for (var place = Math.Max(state.Places, 0); place < maxPlaces; place++)
                remainder = remainder * 10 % divisor;
            return remainder == 0 && state.Places != 0;
        }

        public IEnumerable<(ByteSet Set, (int Places, int Remainder) Target)> Next((int Places, int Remainder) state)
        {
            var (places, remainder) = state;
            if (places < 0)
            {
                // A sign changes nothing, and the numbers say where it may be.
                yield return (ByteSet.Of('-', '-'), state);
                if (maxPlaces > 0)
                    yield return (ByteSet.Of('.', '.'), (0, remainder));
            }

            if (places == maxPlaces)
                yield break;
            for (var digit = 0; digit < 10; digit++)
                yield return (ByteSet.Of('0' + digit, '0' + digit), (places < 0 ? places : places + 1, (int)((remainder * 10L + digit) % divisor)));
        }
    }

    /// <summary>Numbers from zero on: digit by digit, with what tells whether those so far are those of the bounds.</summary>
    private sealed class Magnitudes(NumberTerms owner, NumberBound lower, NumberBound? upper, bool isInteger)
    {
        private readonly ByteTerms _terms = owner._terms;

        public int Term()
        {
            if (upper is not null && lower.Value.CompareTo(upper.Value) > 0)
                return ByteTerms.Nothing;
            var shortest = lower.Value.Whole.Length;
            var longest = upper?.Value.Whole.Length ?? ByteTerms.Unlimited;
            var ways = new List<int> { Whole(shortest, 0, true, longest == shortest) };
            if (longest > shortest && upper is not null)
                ways.Add(Whole(longest, 0, false, true));
            if (longest - shortest > 1)
            {
                var more = longest == ByteTerms.Unlimited ? longest : longest - 2;
                ways.Add(_terms.Concat(owner.Digits('1', '9'), _terms.Repeat(owner.Digits('0', '9'), shortest, more), Ending(false, false)));
            }

            return _terms.Or(ways.ToArray());
        }

        /// <summary>The digits from a place on, of so many before the point.</summary>
        private int Whole(int length, int at, bool atLower, bool atUpper)
        {
            if (at == length)
                return Ending(atLower, atUpper);
            var low = atLower ? lower.Value.Whole[at] : at == 0 && length > 1 ? '1' : '0';
            var high = atUpper ? upper!.Value.Whole[at] : '9';
            return Digit(low, high, atLower, atUpper, (l, u) => Whole(length, at + 1, l, u));
        }

        /// <summary>What may follow the digits before the point.</summary>
        private int Ending(bool atLower, bool atUpper) => _terms.Or(
            MayStop(0, atLower, atUpper) ? ByteTerms.Empty : ByteTerms.Nothing,
            isInteger ? ByteTerms.Nothing : _terms.Concat(_terms.Literal("."), Fraction(0, atLower, atUpper)));

        /// <summary>One digit or more behind the point.</summary>
        private int Fraction(int at, bool atLower, bool atUpper)
        {
            var lowerEnds = !atLower || at >= lower.Value.Fraction.Length;
            var upperEnds = !atUpper || at >= upper!.Value.Fraction.Length;
            if (lowerEnds && upperEnds)
            {
                var zero = owner.Digits('0', '0');
                if (atUpper)
                    return MayStop(at, atLower, atUpper) ? _terms.Repeat(zero, 1, ByteTerms.Unlimited) : ByteTerms.Nothing;
                return !atLower || lower.IsIncluded
                    ? owner._someDigits
                    : _terms.Concat(_terms.Repeat(zero, 0, ByteTerms.Unlimited), owner.Digits('1', '9'), owner._anyDigits);
            }

            var low = !atLower || lowerEnds ? '0' : lower.Value.Fraction[at];
            var high = !atUpper ? '9' : upperEnds ? '0' : upper!.Value.Fraction[at];
            return Digit(low, high, atLower, atUpper, (l, u) => _terms.Or(
                MayStop(at + 1, l, u) ? ByteTerms.Empty : ByteTerms.Nothing,
                Fraction(at + 1, l, u)));
        }

        /// <summary>A digit and what follows it: only the lowest and the highest stay on the bounds.</summary>
        private int Digit(char low, char high, bool atLower, bool atUpper, Func<bool, bool, int> rest)
        {
            if (low > high)
                return ByteTerms.Nothing;
            if (low == high)
                return _terms.Concat(owner.Digits(low, low), rest(atLower, atUpper));
            var (first, last) = (atLower ? low + 1 : low, atUpper ? high - 1 : high);
            return _terms.Or(
                atLower ? _terms.Concat(owner.Digits(low, low), rest(true, false)) : ByteTerms.Nothing,
                first > last ? ByteTerms.Nothing : _terms.Concat(owner.Digits(first, last), rest(false, false)),
                atUpper ? _terms.Concat(owner.Digits(high, high), rest(false, true)) : ByteTerms.Nothing);
        }

        /// <summary>Whether the number may end before a place behind the point.</summary>
        private bool MayStop(int at, bool atLower, bool atUpper) =>
            (!atLower || (at >= lower.Value.Fraction.Length && lower.IsIncluded))
            && (!atUpper || at < upper!.Value.Fraction.Length || upper.IsIncluded);
    }
}
