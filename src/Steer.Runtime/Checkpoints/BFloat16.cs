using System.Numerics;
using System.Runtime.InteropServices;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>Rows of bfloat16.</summary>
internal static class BFloat16
{
    /// <summary>Widens to float32; exact.</summary>
    /// <param name="source">Upper halves of float32.</param>
    /// <param name="destination">As many numbers, or more.</param>
    public static void Widen(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination);
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }

        for (; i < source.Length; i++)
            bits[i] = (uint)source[i] << 16;
    }

    /// <summary>Writes numbers, each rounded to the nearest.</summary>
    public static void Write(Stream stream, ReadOnlySpan<float> numbers)
    {
        Span<ushort> halves = stackalloc ushort[1024];
        while (!numbers.IsEmpty)
        {
            ReadOnlySpan<float> chunk = numbers[..Math.Min(halves.Length, numbers.Length)];
            DTypeExtensions.NarrowBF16(chunk, halves);
            stream.Write(MemoryMarshal.AsBytes(halves[..chunk.Length]));
            numbers = numbers[chunk.Length..];
        }
    }
}
