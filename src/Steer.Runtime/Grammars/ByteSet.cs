using System.Numerics;

namespace Steer.Runtime.Grammars;

/// <summary>A set of bytes.</summary>
internal readonly record struct ByteSet(ulong W0, ulong W1, ulong W2, ulong W3)
{
    /// <summary>The bytes from <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    public static ByteSet Of(int first, int last)
    {
        Span<ulong> words = stackalloc ulong[4];
        for (var value = first; value <= last; value++)
            words[value >> 6] |= 1UL << value;
        return new ByteSet(words[0], words[1], words[2], words[3]);
    }

    /// <summary>Whether there is no byte in it.</summary>
    public bool IsEmpty => (W0 | W1 | W2 | W3) == 0;

    /// <summary>How many bytes are in it.</summary>
    public int Count => BitOperations.PopCount(W0) + BitOperations.PopCount(W1) + BitOperations.PopCount(W2) + BitOperations.PopCount(W3);

    /// <summary>Whether a byte is in it.</summary>
    public bool Contains(int value) => ((value >> 6) switch { 0 => W0, 1 => W1, 2 => W2, _ => W3 } >> value & 1) != 0;

    /// <summary>The bytes of either.</summary>
    public static ByteSet operator |(ByteSet a, ByteSet b) => new(a.W0 | b.W0, a.W1 | b.W1, a.W2 | b.W2, a.W3 | b.W3);

    /// <summary>The bytes of both.</summary>
    public static ByteSet operator &(ByteSet a, ByteSet b) => new(a.W0 & b.W0, a.W1 & b.W1, a.W2 & b.W2, a.W3 & b.W3);
}
