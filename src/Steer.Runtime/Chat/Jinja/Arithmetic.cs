using System.Text;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>The operators + - * / // % **, as in Python, with integers of 64 bits.</summary>
internal static class Arithmetic
{
    /// <summary>left op right.</summary>
    /// <exception cref="TemplateFault">The operator does not go between them, divides by zero, or gives a number that is too large.</exception>
    public static object? Apply(string op, object? left, object? right, Budget budget)
    {
        if (Operators.TryNumbers(left, right, out var numbers))
            return Calculate(op, numbers);

        return (op, left, right) switch
        {
            ("+", string a, string b) => Join(a, b, budget),
            ("+", ListValue a, ListValue b) when a.IsTuple == b.IsTuple => Join(a, b, budget),
            ("*", string or ListValue, long or bool) => Repeat(left, Operators.TryNumbers(right, 0L, out var n) ? n.LeftInteger : 0, budget),
            ("*", long or bool, string or ListValue) => Repeat(right, Operators.TryNumbers(left, 0L, out var n) ? n.LeftInteger : 0, budget),
            ("%", string format, _) => TextFormat.Percent(format, right, budget),
            _ => throw new TemplateFault(Operators.Explain(
                left, right, $"'{op}' does not go between {Operators.KindOf(left)} and {Operators.KindOf(right)}")),
        };
    }

    public static object Negate(string sign, object? value)
    {
        if (!Operators.TryNumbers(value, 0L, out var number))
            throw new TemplateFault(Operators.Explain(value, null, $"'{sign}' does not go before {Operators.KindOf(value)}"));
        if (sign == "-")
            return Calculate("-", new Numbers(number.AreIntegers, 0, number.LeftInteger, -0.0, number.Left));
        return number.AreIntegers ? number.LeftInteger : (object)number.Left;
    }

    private static object Calculate(string op, Numbers n)
    {
        if (op is "/" or "//" or "%" && n.Right == 0)
            throw new TemplateFault("divides by zero");
        if (!n.AreIntegers || op == "/" || (op == "**" && n.RightInteger < 0))
            return Calculate(op, n.Left, n.Right);
        try
        {
            return Calculate(op, n.LeftInteger, n.RightInteger);
        }
        catch (OverflowException)
        {
            throw new TemplateFault($"'{op}' gives too large a number");
        }
    }

    private static double Calculate(string op, double x, double y) => op switch
    {
        "+" => x + y,
        "-" => x - y,
        "*" => x * y,
        "/" => x / y,
        "//" => Math.Floor(x / y),
        "%" => x - (y * Math.Floor(x / y)),
        _ => Math.Pow(x, y),
    };

    private static long Calculate(string op, long a, long b) => checked(op switch
    {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "//" => FloorDivide(a, b),
        "%" => a - (b * FloorDivide(a, b)),
        _ => Power(a, b),
    });

    private static long FloorDivide(long a, long b)
    {
        long quotient = checked(a / b);
        return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
    }

    private static long Power(long value, long exponent)
    {
        if (value is 0 or 1 or -1)
            return exponent == 0 ? 1 : value == -1 && exponent % 2 == 0 ? 1 : value;
        long result = 1;
        for (; exponent > 0; exponent--)
            result = checked(result * value);
        return result;
    }

    private static string Join(string left, string right, Budget budget)
    {
        budget.Text((long)left.Length + right.Length);
        return left + right;
    }

    private static ListValue Join(ListValue left, ListValue right, Budget budget)
    {
        budget.Step((long)left.Items.Count + right.Items.Count);
        return new ListValue([.. left.Items, .. right.Items], left.IsTuple);
    }

    private static object Repeat(object value, long times, Budget budget)
    {
        times = Math.Max(0, times);
        if (value is string text)
        {
            budget.Text(text.Length == 0 ? 0 : checked((long)Math.Min(times, int.MaxValue) * text.Length));
            return new StringBuilder().Insert(0, text, text.Length == 0 ? 0 : (int)times).ToString();
        }

        var list = (ListValue)value;
        budget.Step(list.Items.Count == 0 ? 0 : Math.Min(times, int.MaxValue) * list.Items.Count);
        return new ListValue([.. Enumerable.Repeat(list.Items, list.Items.Count == 0 ? 0 : (int)times).SelectMany(items => items)], list.IsTuple);
    }
}
