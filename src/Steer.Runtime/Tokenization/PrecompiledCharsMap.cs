using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// SentencePiece's compiled normalisation (precompiled_charsmap): a double-array trie (darts-clone) from UTF-8 keys to places in a pool of
/// strings that end in a zero byte. Layout: the trie's size in bytes (u32), its units (u32 each), the pool; all little-endian.
/// </summary>
internal sealed class PrecompiledCharsMap
{
    /// <summary>Bytes of the longest replacement that is read; those of NFKC have 33.</summary>
    private const int LongestReplacement = 64;

    private readonly uint[] _units;
    private readonly byte[] _pool;
    private readonly string _hash;

    private PrecompiledCharsMap(uint[] units, byte[] pool, string hash) => (_units, _pool, _hash) = (units, pool, hash);

    /// <summary>Reads the bytes of a table.</summary>
    /// <exception cref="SteerException">The sizes do not fit.</exception>
    public static PrecompiledCharsMap Read(string file, ReadOnlySpan<byte> bytes)
    {
        var size = bytes.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : 0;
        if (size == 0 || size % 4 != 0 || size > bytes.Length - 4)
            throw new SteerException($"{file}: the precompiled normalisation table is damaged; its trie does not fit in its {bytes.Length} bytes");
        var units = MemoryMarshal.Cast<byte, uint>(bytes.Slice(4, (int)size)).ToArray();
        return new PrecompiledCharsMap(units, bytes[(4 + (int)size)..].ToArray(), Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    /// <summary>What the shortest key that begins the text is replaced with, or null.</summary>
    public string? Shortest(ReadOnlySpan<char> text)
    {
        Span<byte> utf8 = stackalloc byte[32];
        Encoding.UTF8.TryGetBytes(text[..Math.Min(text.Length, 8)], utf8, out var count);
        return Find(utf8[..count], longest: false, out _);
    }

    /// <summary>What the longest key that begins the text is replaced with, or null; and the key's length in bytes.</summary>
    public string? Longest(ReadOnlySpan<byte> utf8, out int length) => Find(utf8, longest: true, out length);

    /// <inheritdoc/>
    public override string ToString() => _hash;

    /// <summary>
    /// Walks the trie: a unit holds the label of its byte, whether a value hangs below it, and the distance (by exclusive or) to its children.
    /// </summary>
    private string? Find(ReadOnlySpan<byte> key, bool longest, out int length)
    {
        length = 0;
        string? found = null;
        var at = Offset(_units[0]);
        for (var i = 0; i < key.Length && key[i] != 0; i++)
        {
            at ^= key[i];
            if (at >= _units.Length || (_units[at] & 0x800000FF) != key[i])
                break;
            var hasLeaf = (_units[at] >> 8 & 1) == 1;
            at ^= Offset(_units[at]);
            if (!hasLeaf || at >= _units.Length)
                continue;
            (found, length) = (Replacement(_units[at] & 0x7FFFFFFF), i + 1);
            if (!longest)
                break;
        }

        return found;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & (1 << 9)) >> 6);

    private string Replacement(uint start)
    {
        if (start >= _pool.Length)
            return "";
        var rest = _pool.AsSpan((int)start);
        rest = rest[..Math.Min(rest.Length, LongestReplacement)];
        var end = rest.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }
}
