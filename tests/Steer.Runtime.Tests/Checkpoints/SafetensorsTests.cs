using System.Runtime.InteropServices;
using System.Text;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>The safetensors reader and writer against the format's description and each other.</summary>
public sealed class SafetensorsTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read_back()
    {
        string path = _folder.File("a.safetensors");
        float[] numbers = [.. Enumerable.Range(0, 30).Select(i => i - 7.25f)];
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [
            new("matrix", DType.F32, 4, 5), new("empty", DType.F32, 0, 3), new("one", DType.F32), new("narrow", DType.BF16, 9)]))
        {
            // Pieces do not end where tensors do.
            writer.Write(numbers.AsSpan(0, 3));
            writer.Write(numbers.AsSpan(3));
            writer.Finish();
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(["matrix", "empty", "one", "narrow"], file.Names);
        Assert.Equal([4L, 5], file.Tensor("matrix").Shape);
        Assert.Equal("BF16", file.Tensor("narrow").TypeName);
        Assert.Equal(numbers[..20], file.ReadFloats("matrix"));
        Assert.Empty(file.ReadFloats("empty"));
        Assert.Equal(numbers[20..21], file.ReadFloats("one"));
        Assert.Equal(numbers[21..], file.ReadFloats("narrow")); // Quarters up to 22 fit the 8 bits of a bfloat16.
    }

    [Fact]
    public void A_file_that_is_not_finished_leaves_nothing_behind_and_nothing_lost()
    {
        string path = _folder.Write("kept.safetensors", "what was here before");
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [new("x", DType.F32, 3)]))
        {
            writer.Write([1, 2]);
            Assert.Throws<InvalidOperationException>(writer.Finish);
            Assert.Throws<ArgumentException>(() => writer.Write([3, 4]));
        }

        Assert.Equal("what was here before", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void An_output_that_cannot_be_written_is_named()
    {
        string path = _folder.File("no such folder/a.safetensors");
        var error = Assert.Throws<SteerException>(() => SafetensorsWriter.Create(path, [new("x", DType.F32, 1)]));
        Assert.StartsWith($"{path}: cannot be written", error.Message);
    }

    [Fact]
    public void No_file_takes_the_place_of_a_device()
    {
        if (OperatingSystem.IsWindows())
            return;
        var error = Assert.Throws<SteerException>(() => SafetensorsWriter.Create("/dev/null", [new("x", DType.F32, 1)]).Dispose());
        Assert.StartsWith("/dev/null: cannot be written", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_half_and_every_bfloat16_widens_to_the_same_number()
    {
        // 65,536 patterns and one more, so that the tail of a vector loop runs too.
        ushort[] bits = [.. Enumerable.Range(0, 65_536).Select(i => (ushort)i), 0x3F80];
        const string Header = """{"half":{"dtype":"F16","shape":[65537],"data_offsets":[0,131074]},"brain":{"dtype":"BF16","shape":[65537],"data_offsets":[131074,262148]}}""";
        byte[] data = MemoryMarshal.AsBytes<ushort>(bits).ToArray();
        string path = _folder.Write("all.safetensors",
            [.. BitConverter.GetBytes((long)Header.Length), .. Encoding.ASCII.GetBytes(Header), .. data, .. data]);

        using SafetensorsFile file = SafetensorsFile.Open(path);
        AssertSameBits([.. bits.Select(b => (float)BitConverter.UInt16BitsToHalf(b))], file.ReadFloats("half"));
        AssertSameBits([.. bits.Select(b => BitConverter.Int32BitsToSingle(b << 16))], file.ReadFloats("brain"));

        static void AssertSameBits(float[] expected, float[] actual)
        {
            Assert.Equal(expected.Length, actual.Length);
            for (int i = 0; i < expected.Length; i++)
            {
                // The payload of a NaN may change on the way; that it is one may not.
                if (!(float.IsNaN(expected[i]) && float.IsNaN(actual[i])))
                    Assert.Equal(BitConverter.SingleToInt32Bits(expected[i]), BitConverter.SingleToInt32Bits(actual[i]));
            }
        }
    }

    [Fact]
    public void Whole_numbers_are_read()
    {
        const string Header = """{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"I32","shape":[2],"data_offsets":[8,16]}}""";
        string path = _folder.Write("ints.safetensors",
            [.. BitConverter.GetBytes((long)Header.Length), .. Encoding.ASCII.GetBytes(Header), .. BitConverter.GetBytes(-5L), 7, 0, 0, 0, 255, 255, 255, 255]);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal([-5L], file.ReadIntegers("a"));
        Assert.Equal([7L, -1], file.ReadIntegers("b"));
        Assert.Contains("stored as I64", Assert.Throws<SteerException>(() => file.ReadFloats("a")).Message);
        Assert.Contains("tensor c is missing", Assert.Throws<SteerException>(() => file.ReadFloats("c")).Message);
    }

    [Theory]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "cut short")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "end at byte 8 of 9")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}}""", 9, "overlap or leave a hole")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "overlap or leave a hole")]
    [InlineData("""{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "does not fit its 8 bytes")]
    [InlineData("""{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "does not fit its 0 bytes")]
    [InlineData("""{"x":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807,9223372036854775807],"data_offsets":[0,4]}}""", 4, "does not fit its 4 bytes")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "cut short or its header lies")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 4, "not a whole number")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "not a whole number")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1e2],"data_offsets":[0,4]}}""", 4, "not a whole number")]
    [InlineData("""{"x":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype F33")]
    [InlineData("""{"x":{"dtype":"11","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype 11")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "lacks dtype, shape or two data_offsets")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1]}}""", 4, "lacks dtype, shape or two data_offsets")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}""", 4, "unknown or repeated field shape")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"stride":[1]}}""", 4, "unknown or repeated field stride")]
    [InlineData("""{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""", 0, "names tensor x twice")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}""", 4, "more than 16 dimensions")]
    [InlineData("""{"x":[[[[[[[[]]]]]]]]}""", 0, "header is damaged")]
    [InlineData("""["x"]""", 0, "header is damaged")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}""", 0, "header is damaged")]
    [InlineData("""{} {}""", 0, "header is damaged")]
    [InlineData("""{"x":""", 0, "header is damaged (line 1, byte 6)")]
    [InlineData("", 0, "header is damaged")]
    public void A_lying_header_is_refused(string header, int dataBytes, string problem)
    {
        string path = _folder.WriteSafetensors("bad.safetensors", header, dataBytes);
        AssertRefused(path, problem);
    }

    [Fact]
    public void A_tensor_without_numbers_may_have_any_other_dimensions()
    {
        string path = _folder.WriteSafetensors("empty.safetensors",
            """{"x":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904,0],"data_offsets":[0,0]}}  """, 0);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Empty(file.ReadFloats("x"));
    }

    [Theory]
    [InlineData(3L, "header is damaged")]
    [InlineData(1000L, "the file ends after 10")]
    [InlineData(long.MaxValue, "claims 9223372036854775807 bytes")]
    [InlineData(-1L, "claims 18446744073709551615 bytes")]
    public void A_header_of_another_length_is_refused(long claimedBytes, string problem) =>
        AssertRefused(_folder.WriteSafetensors("bad.safetensors", """{"x": {}} """, 0, claimedBytes), problem);

    [Fact]
    public void Files_that_are_none_are_refused()
    {
        AssertRefused(_folder.Write("short.safetensors", "short"), "too few");
        AssertRefused(_folder.Write("empty.safetensors", ""), "the file is empty");
        AssertRefused(_folder.File("missing.safetensors"), "no such file");
        AssertRefused(_folder.Path, "cannot be read");
    }

    [Fact]
    public void Reading_after_disposal_throws_instead_of_touching_freed_memory()
    {
        string path = _folder.WriteSafetensors("x.safetensors", """{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8);
        SafetensorsFile file = SafetensorsFile.Open(path);
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.ReadFloats("x"));
    }

    private static void AssertRefused(string path, string problem)
    {
        var error = Assert.Throws<SteerException>(() => SafetensorsFile.Open(path).Dispose());
        Assert.StartsWith($"{path}: ", error.Message);
        Assert.Contains(problem, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }
}
