using System.Text;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>The bytes of a GGUF file, written as the format's description has it, with whatever lies a test wants.</summary>
internal sealed class GgufBytes
{
    private readonly MemoryStream _stream = new();
    private readonly BinaryWriter _writer;

    public GgufBytes(uint version = 3, ulong tensors = 0, ulong pairs = 0, string magic = "GGUF")
    {
        _writer = new BinaryWriter(_stream);
        _writer.Write(Encoding.ASCII.GetBytes(magic));
        _writer.Write(version);
        _writer.Write(tensors);
        _writer.Write(pairs);
    }

    public GgufBytes Number(uint number)
    {
        _writer.Write(number);
        return this;
    }

    public GgufBytes Long(ulong number)
    {
        _writer.Write(number);
        return this;
    }

    public GgufBytes Raw(params byte[] bytes)
    {
        _writer.Write(bytes);
        return this;
    }

    public GgufBytes Text(string text) => Long((ulong)Encoding.UTF8.GetByteCount(text)).Raw(Encoding.UTF8.GetBytes(text));

    /// <summary>A pair with a 32-bit number.</summary>
    public GgufBytes Pair(string key, uint value) => Text(key).Number(4).Number(value);

    /// <summary>A tensor's entry, dimensions as the file has them: the innermost first.</summary>
    public GgufBytes Tensor(string name, uint type, ulong offset, params ulong[] dimensions)
    {
        Text(name).Number((uint)dimensions.Length);
        foreach (ulong dimension in dimensions)
            Long(dimension);
        return Number(type).Long(offset);
    }

    /// <summary>Zeros to the next multiple of 32, then this many.</summary>
    public byte[] WithData(int bytes)
    {
        _writer.Write(new byte[(32 - _stream.Length % 32) % 32 + bytes]);
        return _stream.ToArray();
    }

    public byte[] Bytes() => _stream.ToArray();
}
