using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels;

/// <summary>How numbers are stored. Activations between kernels and logits are always float32.</summary>
public enum DType
{
    /// <summary>IEEE 754 single precision, 4 bytes.</summary>
    F32,

    /// <summary>The upper half of a float32, 2 bytes; widened exactly by a shift.</summary>
    BF16,

    /// <summary>IEEE 754 half precision, 2 bytes; widened exactly.</summary>
    F16,

    /// <summary>8 bits a number and a scale for each block, see <see cref="BlockQuantizer"/>.</summary>
    Int8,

    /// <summary>4 bits a number, a scale and a minimum for each block, see <see cref="BlockQuantizer"/>.</summary>
    Int4,
}

/// <summary>Conversions between storage types and float32.</summary>
public static class DTypeExtensions
{
    /// <summary>As options and reports write it: f32, bf16, f16, int8, int4.</summary>
    public static string Name(this DType type) => type.ToString().ToLowerInvariant();

    /// <summary>Bytes that one number takes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A type that is stored in blocks: <see cref="BlockQuantizer"/> says what those take.</exception>
    public static int Size(this DType type) => type switch
    {
        DType.F32 => 4,
        DType.BF16 or DType.F16 => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type of single numbers."),
    };

    /// <summary>Bytes of a weight's row of <paramref name="k"/> numbers, scales and minima included; devices may fill up what they hold.</summary>
    public static long RowBytes(this DType type, int k) => type switch
    {
        DType.Int8 => k + (sizeof(ushort) * (long)BlockQuantizer.Blocks(k)),
        DType.Int4 => ((k + 1L) / 2) + (2 * sizeof(ushort) * (long)BlockQuantizer.Blocks(k)),
        _ => (long)k * type.Size(),
    };

    /// <summary>Widens a bfloat16 to float32; exact.</summary>
    public static float WidenBF16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Rounds a float32 to the nearest bfloat16, ties to even; NaN stays NaN.</summary>
    public static ushort NarrowBF16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>Rounds float32 to the nearest bfloat16, ties to even; NaN stays NaN.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="halves">As many bfloat16, or more.</param>
    /// <exception cref="ArgumentException"><paramref name="halves"/> is shorter.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void NarrowBF16(ReadOnlySpan<float> values, Span<ushort> halves)
    {
        int lanes = Vector256<float>.Count, i = 0;
        if (halves.Length < values.Length)
            throw new ArgumentException($"There is room for {halves.Length} of {values.Length} numbers.", nameof(halves));
        for (; i <= values.Length - (2 * lanes); i += 2 * lanes)
        {
            var first = RoundUpperHalf(Vector256.Create(values.Slice(i, lanes))) >> 16;
            var second = RoundUpperHalf(Vector256.Create(values.Slice(i + lanes, lanes))) >> 16;
            Vector256.Narrow(first, second).CopyTo(halves[i..]);
        }

        for (; i < values.Length; i++)
            halves[i] = NarrowBF16(values[i]);
    }

    /// <summary>Rounds float32 to the nearest half, ties to even.</summary>
    /// <param name="values">The numbers.</param>
    /// <param name="halves">As many halves, or more.</param>
    /// <exception cref="InvalidDataException">A number is beyond what a half holds.</exception>
    internal static void NarrowF16(ReadOnlySpan<float> values, Span<ushort> halves)
    {
        Span<Half> narrow = MemoryMarshal.Cast<ushort, Half>(halves)[..values.Length];
        TensorPrimitives.ConvertToHalf(values, narrow);
        for (int i = 0; i < narrow.Length; i++)
        {
            if (Half.IsInfinity(narrow[i]))
            {
                throw new InvalidDataException(
                    FormattableString.Invariant($"A weight of {values[i]} is beyond the 65504 that f16 holds: take bf16 or f32."));
            }
        }
    }

    /// <summary>The bits of x with the upper half rounded to a bfloat16; the lower half is of no meaning.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<uint> RoundUpperHalf(Vector256<float> x)
    {
        var bits = x.AsUInt32();
        var rounded = bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One);
        return Vector256.ConditionalSelect(Vector256.Equals(x, x).AsUInt32(), rounded, bits | Vector256.Create(0x400000u));
    }
}
