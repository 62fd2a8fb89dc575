using System.Runtime.InteropServices;
using System.Text.Json;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Models;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>llama2.c version 0 files: the layout that run.c reads, and its logits.</summary>
public sealed class Llama2cTests : IDisposable
{
    // width 8, feed-forward 12, 2 layers, 2 heads, 1 key head, 10 tokens, 6 positions.
    private static readonly int[] Header = [8, 12, 2, 2, 1, 10, 6];
    private const int NumbersInLayer = 2 * 8 + 2 * 8 * 8 + 2 * 4 * 8 + 3 * 8 * 12;
    private const int Numbers = 10 * 8 + 2 * NumbersInLayer + 8 + 6 * 4;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(10, true)]
    [InlineData(-10, false)]
    public void Every_tensor_is_found_where_run_c_reads_it(int vocabulary, bool tied)
    {
        int[] header = [.. Header];
        header[5] = vocabulary;
        using Checkpoint checkpoint = Checkpoint.Open(Write(header, tied ? Numbers : Numbers + 10 * 8));
        Assert.Equal(tied, ReferenceEquals(checkpoint.Tensors.Embedding, checkpoint.Tensors.LmHead));
        Assert.Equal(RopeLayout.Interleaved, checkpoint.Config.RopeLayout);
        Assert.Equal(1e-5f, checkpoint.Tensors.FinalNorm!.Epsilon);
        Assert.Equal([1], checkpoint.EosIds);

        // Each number is its own index; run.c lays kinds of tensors one after the other, each over all layers.
        LayerTensors last = checkpoint.Tensors.Layers[1];
        int at = 10 * 8;
        Assert.Equal(0, First(checkpoint.Tensors.Embedding.Parts[0]));
        Assert.Equal(at + 8, last.AttentionNorm!.Weight[0]);
        Assert.Equal((at += 2 * 8) + 64, First(last.Qkv.Parts[0]));
        Assert.Equal((at += 2 * 64) + 32, First(last.Qkv.Parts[1]));
        Assert.Equal((at += 2 * 32) + 32, First(last.Qkv.Parts[2]));
        Assert.Equal((at += 2 * 32) + 64, First(last.Output.Parts[0]));
        Assert.Equal((at += 2 * 64) + 8, last.MlpNorm!.Weight[0]);
        Assert.Equal((at += 2 * 8) + 96, First(last.Up!.Parts[0]));
        Assert.Equal((at += 2 * 96) + 96, First(last.Down!.Parts[0]));
        Assert.Equal((at += 2 * 96) + 96, First(last.Up.Parts[1]));
        Assert.Equal(at += 2 * 96, checkpoint.Tensors.FinalNorm.Weight[0]);
        if (!tied)
            Assert.Equal(at + 8 + 6 * 4, First(checkpoint.Tensors.LmHead.Parts[0]));

        static float First(LinearPart part)
        {
            var row = new float[part.Weight.Columns];
            part.Weight.ReadRow(0, row);
            return row[0];
        }
    }

    [Fact]
    public void Logits_of_stories260K_are_those_of_run_c()
    {
        if (!GoldenFiles.Exists("stories260K/golden_logits_200x512.f32"))
            return; // The layout is held above, and the committed logits by the engine; these are of more positions.
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllText(GoldenFiles.Find("stories260K/golden.json")));
        long[] ids = [.. golden.RootElement.GetProperty("greedy_ids").EnumerateArray().Take(40).Select(id => id.GetInt64())];
        float[] logits = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(GoldenFiles.Find("stories260K/golden_logits_200x512.f32"))).ToArray();
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Find("stories260K/stories260K.bin"));

        double[] actual = [.. new ReferenceDecoder(checkpoint.Config, checkpoint.Tensors).Logits(ids).SelectMany(row => row)];

        // The golden's own note: a float64 forward pass differs from run.c's float32 by at most 1.64e-5 on these positions.
        Assert.True(actual.Zip(logits, (a, e) => Math.Abs(a - e)).Max() < 2e-5);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, -1)]
    [InlineData(2, int.MaxValue)]
    [InlineData(3, 3)]
    [InlineData(3, 8)]
    [InlineData(4, 3)]
    [InlineData(5, 0)]
    [InlineData(5, int.MinValue)]
    [InlineData(6, int.MaxValue)]
    public void A_header_that_does_not_fit_the_file_is_refused(int field, int value)
    {
        int[] header = [.. Header];
        header[field] = value;
        AssertRefused(Write(header, Numbers));
    }

    [Fact]
    public void A_file_of_another_length_is_refused()
    {
        AssertRefused(Write(Header, Numbers - 1));
        AssertRefused(Write(Header, Numbers + 1));
        AssertRefused(_folder.Write("model.bin", "GGML"));
    }

    private static void AssertRefused(string path)
    {
        var error = Assert.Throws<SteerException>(() => Checkpoint.Open(path).Dispose());
        Assert.StartsWith($"{path}: is no llama2.c version 0 checkpoint: ", error.Message);
    }

    private string Write(int[] header, int numbers)
    {
        float[] counting = [.. Enumerable.Range(0, numbers).Select(i => (float)i)];
        return _folder.Write("model.bin", [.. MemoryMarshal.AsBytes(header), .. MemoryMarshal.AsBytes(counting)]);
    }
}
