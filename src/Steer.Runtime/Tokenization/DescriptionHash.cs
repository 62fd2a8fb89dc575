using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Steer.Runtime.Tokenization;

/// <summary>A SHA-256 over strings in order: stands for a long list in a tokenizer's description.</summary>
internal sealed class DescriptionHash
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Adds a string; its length too, so that ("ab", "c") is not ("a", "bc").</summary>
    public void Add(string text)
    {
        var length = text.Length;
        _hash.AppendData(MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in length)));
        _hash.AppendData(MemoryMarshal.AsBytes(text.AsSpan()));
    }

    /// <summary>Adds a number, bit for bit.</summary>
    public void Add(double number) => _hash.AppendData(MemoryMarshal.AsBytes(new ReadOnlySpan<double>(in number)));

    /// <summary>The hash of all that was added, in hexadecimal.</summary>
    public override string ToString() => Convert.ToHexStringLower(_hash.GetCurrentHash());
}
