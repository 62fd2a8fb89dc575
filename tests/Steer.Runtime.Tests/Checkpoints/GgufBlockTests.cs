using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>Every type of block against the numbers that gguf-py decodes, see goldens/PROVENANCE.txt.</summary>
public class GgufBlockTests
{
    public static TheoryData<GgufType> Types => new(Enum.GetValues<GgufType>());

    [Theory]
    [MemberData(nameof(Types))]
    public void Numbers_are_the_bits_that_gguf_py_decodes(GgufType type)
    {
        using var file = GgufFile.Open(GoldenFiles.Find("gguf/quants.gguf"));
        using var expected = SafetensorsFile.Open(GoldenFiles.Find("gguf/expected.safetensors"));
        GgufTensor stored = file.Tensors[type.ToString()];
        float[] numbers = new BlockTensor("x", stored, stored.Shape).ReadAll();

        Assert.Equal([6L, 512], stored.Shape);
        AssertSame(expected.ReadFloats(type.ToString()), numbers);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Any_range_of_any_order_of_rows_is_read(GgufType type)
    {
        using var file = GgufFile.Open(GoldenFiles.Find("gguf/quants.gguf"));
        using var expected = SafetensorsFile.Open(GoldenFiles.Find("gguf/expected.safetensors"));
        float[] all = expected.ReadFloats(type.ToString());
        GgufTensor stored = file.Tensors[type.ToString()];
        int[] rowMap = [3, 0, 5, 1, 4, 2];
        var plain = new BlockTensor("x", stored, stored.Shape);
        var mapped = new BlockTensor("x", stored, stored.Shape, rowMap);
        float[] inOrder = [.. rowMap.SelectMany(row => all.AsSpan(row * 512, 512).ToArray())];

        foreach ((int start, int length) in new[] { (0, 512), (512, 1024), (7, 1), (31, 2), (100, 700), (255, 257), (3000, 72), (3071, 1) })
        {
            var numbers = new float[length];
            plain.Read(start, numbers);
            AssertSame(all.AsSpan(start, length), numbers);
            mapped.Read(start, numbers);
            AssertSame(inOrder.AsSpan(start, length), numbers);
        }
    }

    // Zeros of either sign are the same number.
    private static void AssertSame(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(expected[i] == actual[i], $"Number {i} is {actual[i]:r} instead of {expected[i]:r}.");
    }
}
