using System.Globalization;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>cvt between any two types, with its way to round: from the bits of one to a number and on to the bits of the other.</summary>
internal static class PtxConversions
{
    private static readonly string[] Roundings = ["rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi", "rna"];

    public static PtxOperation Create(PtxStatement statement, PtxFrame frame)
    {
        string[] parts = statement.Mnemonic.Split('.');
        string to = parts[^2], from = parts[^1], rounding = parts.Length > 3 ? parts[1] : "";
        if (parts.Length > 4 || (rounding.Length > 0 && !Roundings.Contains(rounding)))
            throw new FormatException($"line {statement.Line}: {statement}: no such conversion is known here");
        int[] bytes = [.. statement.Operands.Select(o => frame.WidthOf(o))];
        if (to == "bf16x2")
            return new LaneOperation(statement, frame, bytes, (a, b, _) => (BFloat16(Single(a)) << 16) | BFloat16(Single(b)));
        if (IsFloat(from))
        {
            Func<ulong, double> read = Reader(from);
            if (IsFloat(to))
            {
                Func<double, ulong> write = Writer(to, rounding);
                return new LaneOperation(statement, frame, bytes, (a, _, _) => write(Integral(read(a), rounding)));
            }

            Func<double, ulong> whole = WholeWriter(to);
            return new LaneOperation(statement, frame, bytes, (a, _, _) => whole(Integral(read(a), rounding)));
        }

        int bits = Bits(from);
        bool signed = from[0] == 's';
        if (IsFloat(to))
        {
            return new LaneOperation(statement, frame, bytes, (a, _, _) => to switch
            {
                "f32" => BitConverter.SingleToUInt32Bits(signed ? Extend(a, bits) : Narrow(a, bits)),
                "f64" => BitConverter.DoubleToUInt64Bits(signed ? Extend(a, bits) : Narrow(a, bits)),
                "f16" => BitConverter.HalfToUInt16Bits(signed ? (Half)Extend(a, bits) : (Half)Narrow(a, bits)),
                _ => throw new FormatException(statement.ToString()),
            });
        }

        // What is narrower than a register lies in it extended by its own sign.
        int width = Bits(to);
        bool toSigned = to[0] == 's';
        return new LaneOperation(statement, frame, bytes, (a, _, _) =>
        {
            ulong value = signed ? (ulong)Extend(a, bits) : Narrow(a, bits);
            return toSigned ? (ulong)Extend(value, width) : Narrow(value, width);
        });
    }

    /// <summary>The nearest bfloat16, ties to even; NaN as 0x7FFF.</summary>
    public static ulong BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? 0x7FFF : (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    }

    private static bool IsFloat(string type) => type[0] == 'f' || type is "bf16" or "tf32";

    private static int Bits(string type) => int.Parse(type.AsSpan(1), CultureInfo.InvariantCulture);

    private static float Single(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    private static long Extend(ulong value, int bits) => (long)(value << (64 - bits)) >> (64 - bits);

    private static ulong Narrow(ulong value, int bits) => value << (64 - bits) >> (64 - bits);

    private static double Integral(double value, string rounding) => rounding switch
    {
        "rni" => Math.Round(value, MidpointRounding.ToEven),
        "rzi" => Math.Truncate(value),
        "rmi" => Math.Floor(value),
        "rpi" => Math.Ceiling(value),
        _ => value,
    };

    private static Func<ulong, double> Reader(string type) => type switch
    {
        "f32" => a => Single(a),
        "f64" => BitConverter.UInt64BitsToDouble,
        "f16" => a => (double)BitConverter.UInt16BitsToHalf((ushort)a),
        "bf16" => a => Single(a << 16),
        _ => throw new FormatException($"cvt from {type}"),
    };

    private static Func<double, ulong> Writer(string type, string rounding) => (type, rounding) switch
    {
        ("f32", "" or "rn" or "rni" or "rzi" or "rmi" or "rpi") => a => BitConverter.SingleToUInt32Bits((float)a),
        ("f64", _) => BitConverter.DoubleToUInt64Bits,
        ("f16", "rn") => a => BitConverter.HalfToUInt16Bits((Half)a),
        ("bf16", "rn") => a => BFloat16((float)a),
        // 10 bits of fraction, ties away from zero; the rest is left as zeros.
        ("tf32", "rna") => a => double.IsFinite(a) ? (BitConverter.SingleToUInt32Bits((float)a) + 0x1000) & 0xFFFFE000 : BitConverter.SingleToUInt32Bits((float)a),
        _ => throw new FormatException($"cvt.{rounding}.{type}"),
    };

    // Into the range of the type. NaN is 0, of 64 bits the lowest number.
    private static Func<double, ulong> WholeWriter(string type) => type switch
    {
        "s64" => a => double.IsNaN(a) ? 1UL << 63 : (ulong)(long)a,
        "u64" => a => double.IsNaN(a) ? 1UL << 63 : (ulong)a,
        "s32" => a => (uint)(int)a,
        "u32" => a => (uint)a,
        "s16" => a => (ulong)(long)Math.Clamp(double.IsNaN(a) ? 0 : a, short.MinValue, short.MaxValue),
        "u16" => a => (ulong)Math.Clamp(double.IsNaN(a) ? 0 : a, 0, ushort.MaxValue),
        "s8" => a => (ulong)(long)Math.Clamp(double.IsNaN(a) ? 0 : a, sbyte.MinValue, sbyte.MaxValue),
        "u8" => a => (ulong)Math.Clamp(double.IsNaN(a) ? 0 : a, 0, byte.MaxValue),
        _ => throw new FormatException($"cvt to {type}"),
    };
}
