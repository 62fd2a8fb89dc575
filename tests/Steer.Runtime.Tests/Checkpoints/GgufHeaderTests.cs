using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>Headers of GGUF files: what the format allows is read, every lie is one line that names the file.</summary>
public sealed class GgufHeaderTests : IDisposable
{
    private const uint F32 = 0, Q8 = 8, Array = 9, Text = 8;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Metadata_of_every_type_is_read()
    {
        using var file = GgufFile.Open(GoldenFiles.Find("gguf/quants.gguf"));
        var metadata = file.Metadata;
        Assert.Equal("llama", metadata.Text("general.architecture"));
        Assert.Equal(1, metadata.Integer("llama.block_count"));
        Assert.Equal(["a", "é", ""], metadata.TextsOrNull("test.strings")!);
        Assert.Equal([1.5f, -2], metadata.FloatsOrNull("test.floats")!);
        Assert.True(metadata.BoolOrNull("test.bool"));
        Assert.Equal(1L << 40, metadata.Integer("test.u64"));
        Assert.Null(metadata.TextOrNull("test.none"));
        Assert.Contains("test.none is missing", Assert.Throws<SteerException>(() => metadata.Text("test.none")).Message);
        Assert.Contains("test.bool must be a text", Assert.Throws<SteerException>(() => metadata.Text("test.bool")).Message);
        Assert.Contains("test.floats must be a whole number", Assert.Throws<SteerException>(() => metadata.Integer("test.floats")).Message);
        Assert.Contains("test.floats must be an array of texts", Assert.Throws<SteerException>(() => metadata.TextsOrNull("test.floats")).Message);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Both_versions_and_arrays_in_arrays_are_read(uint version)
    {
        byte[] bytes = new GgufBytes(version, tensors: 2, pairs: 2)
            .Text("nested").Number(Array).Number(Array).Long(2)
            .Number(4).Long(2).Number(1).Number(2)
            .Number(Text).Long(1).Text("x")
            .Pair("general.alignment", 8)
            .Tensor("a", F32, 0, 2, 3).Tensor("b", Q8, 24, 32, 1)
            .WithData(24 + 34);
        using var file = GgufFile.Open(_folder.Write("a.gguf", bytes));
        Assert.Equal([3L, 2], file.Tensors["a"].Shape);
        Assert.Equal(24, file.Tensors["b"].Offset - file.Tensors["a"].Offset);
        Assert.Equal(GgufType.Q8_0, file.Tensors["b"].Type);
    }

    public static TheoryData<string, byte[], string> Lies => new()
    {
        { "empty", [], "the file is empty" },
        { "short", "GGUF"u8.ToArray(), "does not begin as a GGUF file does" },
        { "magic", new GgufBytes(magic: "GGML").Bytes(), "does not begin as a GGUF file does" },
        { "version 1", new GgufBytes(1).Bytes(), "of version 1" },
        { "big endian", new GgufBytes(0x03000000).Bytes(), "big-endian" },
        { "tensors", new GgufBytes(tensors: ulong.MaxValue).Bytes(), "claims 18446744073709551615 tensors" },
        { "pairs", new GgufBytes(pairs: 1000).Bytes(), "claims 1000 pairs" },
        { "no key", new GgufBytes(pairs: 1).Long(0).WithData(64), "a key of 0 bytes" },
        { "long key", new GgufBytes(pairs: 1).Long(1UL << 63).WithData(64), "a key of 9223372036854775808 bytes" },
        { "key beyond the end", new GgufBytes(pairs: 1).Long(500).WithData(64), "ends within a key" },
        { "key of no text", new GgufBytes(pairs: 1).Long(2).Raw(0xC3, 0x28).WithData(64), "no valid UTF-8" },
        { "value type", new GgufBytes(pairs: 1).Text("k").Number(13).WithData(64), "k has a type of number 13" },
        { "text beyond the end", new GgufBytes(pairs: 1).Text("k").Number(Text).Long(ulong.MaxValue).WithData(64), "ends within k" },
        { "array", new GgufBytes(pairs: 1).Text("k").Number(Array).Number(4).Long(1UL << 62).WithData(64), "more than the file holds" },
        { "texts", new GgufBytes(pairs: 1).Text("k").Number(Array).Number(Text).Long(ulong.MaxValue).WithData(64), "more than the file holds" },
        { "nesting", Nested(6), "arrays in arrays" },
        { "cut", new GgufBytes(pairs: 1).Text("a key").Number(12).Bytes(), "ends within a key" },
        { "twice", new GgufBytes(pairs: 2).Pair("k", 1).Pair("k", 1).WithData(64), "the key k comes twice" },
        { "alignment", new GgufBytes(pairs: 1).Pair("general.alignment", 24).WithData(64), "general.alignment is 24" },
        { "alignment 0", new GgufBytes(pairs: 1).Pair("general.alignment", 0).WithData(64), "general.alignment is 0" },
        { "no dimensions", new GgufBytes(tensors: 1).Tensor("t", F32, 0).WithData(64), "tensor t has 0 dimensions" },
        { "five dimensions", new GgufBytes(tensors: 1).Tensor("t", F32, 0, 1, 1, 1, 1, 1).WithData(64), "tensor t has 5 dimensions" },
        { "dimension 0", new GgufBytes(tensors: 1).Tensor("t", F32, 0, 4, 0).WithData(64), "a dimension of 0" },
        { "large dimension", new GgufBytes(tensors: 1).Tensor("t", F32, 0, 1UL << 63).WithData(64), "a dimension of 9223372036854775808" },
        { "overflow", new GgufBytes(tensors: 1).Tensor("t", F32, 0, 1 << 30, 1 << 30, 1 << 30, 1 << 30).WithData(64), "but the file ends at" },
        { "type", new GgufBytes(tensors: 1).Tensor("t", 4, 0, 32).WithData(64), "tensor t is stored in a type of number 4" },
        { "blocks", new GgufBytes(tensors: 1).Tensor("t", Q8, 0, 31, 2).WithData(64), "rows of 31 numbers, which are no whole blocks of Q8_0" },
        { "unaligned", new GgufBytes(tensors: 1).Tensor("t", F32, 8, 4).WithData(64), "begins at byte 8" },
        { "beyond", new GgufBytes(tensors: 1).Tensor("t", F32, ulong.MaxValue - 31, 4).WithData(64), "begins at byte 18446744073709551584" },
        { "end", new GgufBytes(tensors: 1).Tensor("t", F32, 32, 9).WithData(64), "takes 36 bytes" },
        { "overlap", new GgufBytes(tensors: 2).Tensor("t", F32, 0, 9).Tensor("u", F32, 32, 4).WithData(64), "the tensors t and u overlap" },
        { "same name", new GgufBytes(tensors: 2).Tensor("t", F32, 0, 4).Tensor("t", F32, 32, 4).WithData(64), "the tensor t comes twice" },
        { "long name", new GgufBytes(tensors: 1).Tensor(new string('t', 65), F32, 0, 4).WithData(64), "more than 64 characters" },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_lie_is_one_line_that_names_the_file(string what, byte[] bytes, string expected)
    {
        string path = _folder.Write($"{what}.gguf", bytes);
        string message = Assert.Throws<SteerException>(() => GgufFile.Open(path)).Message;
        Assert.StartsWith($"{path}: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    private static byte[] Nested(int depth)
    {
        var bytes = new GgufBytes(pairs: 1).Text("k").Number(Array);
        for (int i = 0; i < depth; i++)
            bytes.Number(Array).Long(1);
        return bytes.Number(4).Long(1).Number(7).WithData(64);
    }
}
