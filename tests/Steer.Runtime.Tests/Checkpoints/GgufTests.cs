using System.Text;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>GGUF files of random models hold what the safetensors file beside them holds, where the format's description says.</summary>
public sealed class GgufTests : IDisposable
{
    private static readonly SyntheticShape Shape = new("tiny", 64, 2, 4, 2, 96, 300, false);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(GgufType.F32)]
    [InlineData(GgufType.BF16)]
    [InlineData(GgufType.Q8_0)]
    public void Tensors_are_those_of_the_safetensors_file(GgufType type)
    {
        SyntheticModel.Write(_folder.Path, Shape, DType.BF16);
        string path = Path.Combine(_folder.Path, "model.gguf");
        SyntheticModel.WriteGguf(path, Shape, type);
        var (metadata, tensors) = Read(path);
        using var checkpoint = Checkpoint.Open(_folder.Path);
        var layer = checkpoint.Tensors.Layers[1];

        Assert.Equal("llama", metadata["general.architecture"]);
        Assert.Equal(2u, metadata["llama.attention.head_count_kv"]);
        Assert.Equal(300, ((object[])metadata["tokenizer.ggml.tokens"]).Length);
        Assert.Equal(2 * 9 + 3, tensors.Count);
        AssertEqual(checkpoint.Tensors.Embedding.Parts[0].Weight, tensors["token_embd.weight"], row => row, type);
        AssertEqual(layer.Down!.Parts[0].Weight, tensors["blk.1.ffn_down.weight"], row => row, type);
        // Heads of 16: the first half of a head's rows at even places, the second at odd ones, as interleaved rotation needs them.
        AssertEqual(layer.Qkv.Parts[0].Weight, tensors["blk.1.attn_q.weight"], row => row / 16 * 16 + row % 16 / 2 + row % 2 * 8, type);
        AssertEqual(layer.Qkv.Parts[2].Weight, tensors["blk.1.attn_v.weight"], row => row, type);
        Assert.Equal(Enumerable.Repeat(1f, 64), tensors["blk.1.ffn_norm.weight"]);
    }

    [Fact]
    public void A_file_that_is_not_finished_is_removed()
    {
        string path = Path.Combine(_folder.Path, "model.gguf");
        using (var writer = GgufWriter.Create(path, new Dictionary<string, object>(), [new("a", GgufType.F32, 2, 3)]))
        {
            writer.Write([1, 2, 3]);
            Assert.Throws<InvalidOperationException>(writer.Finish);
            Assert.Throws<ArgumentException>(() => writer.Write(new float[4]));
        }

        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    // A number of a block of 8 bits lies within half a scale of what it stands for; the scale's own rounding to half precision adds a 2048th of the number.
    private static void AssertEqual(WeightMatrix expected, float[] actual, Func<int, int> rowOf, GgufType type)
    {
        Assert.Equal((long)expected.Rows * expected.Columns, actual.Length);
        var row = new float[expected.Columns];
        for (int i = 0; i < expected.Rows; i++)
        {
            expected.ReadRow(rowOf(i), row);
            for (int j = 0; j < row.Length; j++)
            {
                float largest = row.AsSpan(j / 32 * 32, 32).ToArray().Max(MathF.Abs);
                float tolerance = type == GgufType.Q8_0 ? largest / 254 + largest / 2048 : 0;
                Assert.InRange(actual[i * row.Length + j], row[j] - tolerance, row[j] + tolerance);
            }
        }
    }

    // Read as the format's public description has it.
    private static (Dictionary<string, object> Metadata, Dictionary<string, float[]> Tensors) Read(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        Assert.Equal("GGUF"u8.ToArray(), reader.ReadBytes(4));
        Assert.Equal(3u, reader.ReadUInt32());
        long tensorCount = reader.ReadInt64(), valueCount = reader.ReadInt64();
        var metadata = new Dictionary<string, object>();
        for (long i = 0; i < valueCount; i++)
            metadata.Add(ReadText(reader), ReadValue(reader, reader.ReadInt32()));
        var infos = new List<(string Name, long Count, int Type, long Offset)>();
        for (long i = 0; i < tensorCount; i++)
        {
            string name = ReadText(reader);
            long count = 1;
            for (int dimensions = reader.ReadInt32(); dimensions > 0; dimensions--)
                count *= reader.ReadInt64();
            infos.Add((name, count, reader.ReadInt32(), reader.ReadInt64()));
        }

        long data = (reader.BaseStream.Position + 31) / 32 * 32;
        var tensors = new Dictionary<string, float[]>();
        foreach (var (name, count, type, offset) in infos)
        {
            Assert.Equal(0, offset % 32);
            reader.BaseStream.Position = data + offset;
            tensors.Add(name, ReadNumbers(reader, count, type));
        }

        return (metadata, tensors);
    }

    private static float[] ReadNumbers(BinaryReader reader, long count, int type)
    {
        var numbers = new float[count];
        float scale = 0;
        for (int i = 0; i < count; i++)
        {
            if (type == 8 && i % 32 == 0)
                scale = (float)reader.ReadHalf();
            numbers[i] = type switch
            {
                0 => reader.ReadSingle(),
                30 => BitConverter.UInt32BitsToSingle((uint)reader.ReadUInt16() << 16),
                _ => reader.ReadSByte() * scale,
            };
        }

        return numbers;
    }

    private static object ReadValue(BinaryReader reader, int type)
    {
        switch (type)
        {
            case 4:
                return reader.ReadUInt32();
            case 5:
                return reader.ReadInt32();
            case 6:
                return reader.ReadSingle();
            case 8:
                return ReadText(reader);
            default:
                Assert.Equal(9, type);
                int item = reader.ReadInt32();
                var items = new object[reader.ReadInt64()];
                for (int i = 0; i < items.Length; i++)
                    items[i] = ReadValue(reader, item);
                return items;
        }
    }

    private static string ReadText(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadInt64()));
}
