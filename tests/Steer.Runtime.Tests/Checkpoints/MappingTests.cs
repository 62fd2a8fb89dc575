using System.Text.Json;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Models;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>
/// Families and adapters against stored logits of transformers and peft (float32, see ../shared/goldens/PROVENANCE.txt), through a forward pass
/// in float64 that reads nothing but what the mapping made. One model and its adapter are committed; the others are read where they are present.
/// </summary>
public class MappingTests
{
    // The issue's bound on the error of a float32 forward pass, in standard deviations of the logits. The one here is in float64; what
    // is left is the rounding of the stored logits' own computation.
    private const double MaxError = 2e-4;

    public static TheoryData<string> Models => [.. GoldenFiles.Folders("models")];

    public static TheoryData<string> Adapters => [.. GoldenFiles.Folders("adapters")];

    [Theory]
    [MemberData(nameof(Models))]
    public void Logits_of_a_model_are_those_of_transformers(string name)
    {
        string folder = GoldenFiles.Find($"models/{name}");
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        DecoderConfig config = checkpoint.Config;
        // The stored logits come from eager attention, which in Falcon adds the ALiBi bias twice; its fused attention adds it once, as
        // the mapping says.
        if (config is { Architecture: "FalconForCausalLM", AlibiSlopes: float[] slopes })
            config = config with { AlibiSlopes = Array.ConvertAll(slopes, s => 2 * s) };
        AssertLogits(folder, new ReferenceDecoder(config, checkpoint.Tensors));
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public void Logits_of_an_adapter_are_those_of_peft(string name)
    {
        string folder = GoldenFiles.Find($"adapters/{name}");
        using Checkpoint checkpoint = Checkpoint.Open(BaseOf(folder));
        using Adapter adapter = Adapter.Open(folder, checkpoint);
        AssertLogits(folder, new ReferenceDecoder(checkpoint.Config, adapter.Tensors, adapter));
    }

    /// <summary>A GPT-2 saved without its head's prefix and without architectures; ids of onnxruntime-genai.</summary>
    [Fact]
    public void Greedy_tokens_of_a_bare_gpt2_are_those_of_onnxruntime()
    {
        if (!GoldenFiles.Exists("tiny_random_gpt2"))
            return; // Both ways of saving are held on a smaller model in CheckpointTests.
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Find("tiny_random_gpt2"));
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllText(GoldenFiles.Find("tiny_random_gpt2/golden.json")));
        var decoder = new ReferenceDecoder(checkpoint.Config, checkpoint.Tensors);
        foreach (JsonElement @case in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            long[] ids = [.. @case.GetProperty("greedy_ids").EnumerateArray().Select(id => id.GetInt64())];
            double[][] logits = decoder.Logits(ids);
            for (int i = @case.GetProperty("prompt").GetArrayLength(); i < ids.Length; i++)
                Assert.Equal(ids[i], Array.IndexOf(logits[i - 1], logits[i - 1].Max()));
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_stored_tensor_of_a_model_is_used_once(string name)
    {
        string folder = GoldenFiles.Find($"models/{name}");
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        long numbers = 0;
        foreach (string file in Directory.GetFiles(folder, "model*.safetensors"))
        {
            using SafetensorsFile stored = SafetensorsFile.Open(file);
            numbers += stored.Tensors.Values.Sum(t => t.Count);
        }

        Assert.Equal(numbers, checkpoint.ParameterCount);
        Assert.Equal(numbers, NumbersIn(checkpoint.Tensors, checkpoint.Config));
    }

    private static string BaseOf(string adapter)
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")));
        return GoldenFiles.Find($"models/{Path.GetFileName(config.RootElement.GetProperty("base_model_name_or_path").GetString())}");
    }

    private static void AssertLogits(string folder, ReferenceDecoder decoder)
    {
        using SafetensorsFile expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        int tokens = (int)expected.Tensor("input_ids").Shape[1];
        long[][] sequences = [.. expected.ReadIntegers("input_ids").Chunk(tokens)];
        float[] logits = expected.ReadFloats("logits");
        double mean = logits.Average();
        double deviation = Math.Sqrt(logits.Average(z => (z - mean) * (z - mean)));

        double[] actual = [.. sequences.SelectMany(decoder.Logits).SelectMany(row => row)];
        Assert.Equal(logits.Length, actual.Length);
        double worst = actual.Zip(logits, (a, e) => Math.Abs(a - e)).Max();
        Assert.True(worst < MaxError * deviation, $"largest difference {worst / deviation:E2} standard deviations");
    }

    // The numbers that the mapped tensors hold; norms over heads repeat theirs, so they count once for each head less.
    private static long NumbersIn(DecoderTensors tensors, DecoderConfig config)
    {
        long positionsBefore = config.Architecture == "OPTForCausalLM" ? 2L * config.HiddenSize : 0;
        return Of(tensors.Embedding) + Of(tensors.PositionEmbedding) + positionsBefore + OfNorm(tensors.EmbeddingNorm) + OfNorm(tensors.FinalNorm)
            + (ReferenceEquals(tensors.LmHead, tensors.Embedding) ? 0 : Of(tensors.LmHead))
            + tensors.Layers.Sum(layer => OfNorm(layer.AttentionNorm) + Of(layer.Qkv) + OfHeads(layer.QueryNorm) + OfHeads(layer.KeyNorm)
                + Of(layer.Output) + OfNorm(layer.PostAttentionNorm) + OfNorm(layer.MlpNorm) + Of(layer.Up) + Of(layer.Down)
                + OfNorm(layer.PostMlpNorm) + Of(layer.Router) + layer.ExpertUp.Sum(Of) + layer.ExpertDown.Sum(Of));

        static long Of(LinearTensors? linear) =>
            linear?.Parts.Sum(p => (long)p.Weight.Rows * p.Weight.Columns + (p.Bias?.Length ?? 0)) ?? 0;

        static long OfNorm(NormTensors? norm) => norm is null ? 0 : norm.Weight.Length + (norm.Bias?.Length ?? 0);

        static long OfHeads(NormTensors? norm) => norm is null ? 0 : norm.GroupSize + (norm.Bias is null ? 0 : norm.GroupSize);
    }
}
