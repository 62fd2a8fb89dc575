using System.Globalization;
using System.Text.Json;
using Steer.Runtime.Grammars;

namespace Steer.Runtime.Tests.Grammars;

/// <summary>Ranges of numbers against comparing decimals.</summary>
public class NumberGrammarTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_range_has_exactly_its_numbers(bool isInteger)
    {
        var random = new Random(5);
        for (var sample = 0; sample < 120; sample++)
        {
            decimal? lower = random.Next(4) == 0 ? null : Number(random);
            decimal? upper = random.Next(4) == 0 ? null : lower is { } from && random.Next(3) > 0 ? from + Math.Abs(Number(random)) : Number(random);
            var (includesLower, includesUpper) = (random.Next(2) == 0, random.Next(2) == 0);
            var terms = new ByteTerms(ByteSet.Of(0, 255));
            var term = new NumberTerms(terms).Range(Bound(lower, includesLower), Bound(upper, includesUpper), isInteger);
            var states = term == ByteTerms.Nothing ? null : new GrammarStates(terms, term);
            for (var i = 0; i < 400; i++)
            {
                var value = (i % 8) switch
                {
                    0 when lower is { } l => l,
                    1 when upper is { } u => u,
                    2 when lower is { } b => b + 0.001m,
                    _ => Number(random),
                };
                if (isInteger)
                    value = decimal.Truncate(value);
                var text = value.ToString("0.#####", CultureInfo.InvariantCulture);
                if (!isInteger && random.Next(3) == 0)
                    text += text.Contains('.') ? "0" : ".00";
                var inside = (lower is null || value > lower || (value == lower && includesLower))
                    && (upper is null || value < upper || (value == upper && includesUpper));
                var fits = states?.Fits(System.Text.Encoding.ASCII.GetBytes(text)) ?? false;
                Assert.True(fits == inside, $"{(includesLower ? '[' : '(')}{lower}, {upper}{(includesUpper ? ']' : ')')} and {text}: {fits}");
            }
        }
    }

    [Theory]
    [InlineData("3", 3)]
    [InlineData("0.01", 0.01)]
    [InlineData("2.5", 2.5)]
    [InlineData("40", 40)]
    public void Multiples_are_those_of_division(string divisor, double value)
    {
        var terms = new ByteTerms(ByteSet.Of(0, 255));
        var numbers = new NumberTerms(terms);
        var states = new GrammarStates(terms, numbers.Multiples(numbers.Range(null, null, false), Read(divisor)));
        for (var hundredths = -9000; hundredths < 9000; hundredths += 7)
        {
            var number = hundredths / 100m;
            var text = number.ToString("0.##", CultureInfo.InvariantCulture);
            var places = text.Contains('.') ? text.Split('.')[1].Length : 0;
            var isMultiple = number % (decimal)value == 0 && places <= (divisor.Contains('.') ? divisor.Split('.')[1].Length : 0);
            Assert.True(states.Fits(System.Text.Encoding.ASCII.GetBytes(text)) == isMultiple, text);
        }
    }

    private static decimal Number(Random random) => random.Next(5) switch
    {
        0 => random.Next(-3, 4),
        1 => random.Next(-120, 121),
        2 => random.Next(-3000, 3001) / 100m,
        3 => random.Next(-200_000, 200_001) / 1000m,
        _ => random.Next(-100_000, 100_001),
    };

    private static NumberBound? Bound(decimal? value, bool isIncluded) =>
        value is { } number ? new NumberBound(Read(number.ToString(CultureInfo.InvariantCulture)), isIncluded) : null;

    private static DecimalText Read(string number) => DecimalText.TryRead(JsonDocument.Parse(number).RootElement)!;
}
