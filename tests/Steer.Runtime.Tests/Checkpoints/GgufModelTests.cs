using System.Text.Json.Nodes;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;
using Steer.Runtime.Models;
using Steer.Runtime.Tests.Models;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>
/// Whole models in GGUF files: those of llama.cpp's converter and quantiser against transformers with the weights that gguf-py decodes, and every
/// family, converted by <see cref="GgufConverter"/>, against the folder that it was made from.
/// </summary>
public sealed class GgufModelTests : IDisposable
{
    // No converter of llama.cpp exists for these, or it leaves out what makes the variant (ALiBi of Falcon-RW).
    private static readonly string[] WithoutConverter = ["falcon-rw-like", "gpt-neo", "gptj", "opt"];

    private readonly TempFolder _folder = new();

    public static TheoryData<string> Quantised => ["base-q8_0", "base-Q4_0", "base-Q4_K_M"];

    public static TheoryData<string> Models => new(GoldenFiles.Folders("models")
        .Where(m => !WithoutConverter.Contains(m) && !m.EndsWith("-new-config", StringComparison.Ordinal)));

    public static TheoryData<string> Adapters => new(GoldenFiles.Folders("adapters"));

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Quantised))]
    public void Logits_equal_those_of_transformers_with_the_decoded_weights(string name)
    {
        if (!GoldenFiles.Exists($"gguf/{name}.gguf"))
            return;
        using var checkpoint = Checkpoint.Open(GoldenFiles.Find($"gguf/{name}.gguf"));
        using var expected = SafetensorsFile.Open(GoldenFiles.Find($"gguf/{name}.expected.safetensors"));
        float[] logits = DecoderRun.Logits(checkpoint.Config, checkpoint.Tensors, GreedyCheck.Rows(expected, "input_ids")[0]);
        AssertClose(expected.ReadFloats("logits"), logits, 2e-4);
        Assert.Equal([0], checkpoint.EosIds);
        Assert.Equal(0, checkpoint.BosId);
        Assert.Equal("LlamaForCausalLM", checkpoint.Config.Architecture);
    }

    [Theory]
    [MemberData(nameof(Quantised))]
    public void Weights_of_few_bits_take_two_bytes_where_no_type_is_asked_for(string name)
    {
        if (!GoldenFiles.Exists($"gguf/{name}.gguf"))
            return;
        using var checkpoint = Checkpoint.Open(GoldenFiles.Find($"gguf/{name}.gguf"));
        LayerTensors layer = checkpoint.Tensors.Layers[0];
        Assert.All([checkpoint.Tensors.Embedding, layer.Qkv, layer.Output, layer.Down!], l => Assert.Equal(DType.BF16, l.DefaultType));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_converted_model_gives_the_logits_of_its_folder(string model)
    {
        string folder = AsFarAsGgufTells(GoldenFiles.Find($"models/{model}"));
        string path = _folder.File("model.gguf");
        GgufConverter.Write(folder, path);
        AssertSameLogits(folder, path);
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public async Task A_PEFT_adapter_on_a_converted_base_gives_the_logits_of_peft(string adapter)
    {
        string folder = GoldenFiles.Find($"adapters/{adapter}"), path = _folder.File("base.gguf");
        GgufConverter.Write(ModelGoldenTests.BaseOf(folder), path);
        using var engine = SteerEngine.Load(new EngineOptions { Base = path, Expert = folder, MaxBatch = 4 });
        await ModelGoldenTests.CheckLogits(engine, folder, Variant.Expert);
    }

    [Theory]
    [InlineData("mixtral")]
    [InlineData("phi")]
    public void Files_of_older_converters_give_the_same_logits(string model)
    {
        if (!GoldenFiles.Exists($"models/{model}"))
            return;
        string folder = GoldenFiles.Find($"models/{model}"), path = _folder.File("model.gguf");
        GgufConverter.Write(folder, path, asOnce: true);
        AssertSameLogits(folder, path);
    }

    [Fact]
    public void Layers_with_a_window_may_be_named_one_by_one()
    {
        if (!GoldenFiles.Exists("models/gemma3"))
            return;
        string folder = GoldenFiles.Find("models/gemma3"), path = _folder.File("model.gguf");
        GgufConverter.Write(folder, path, change: m => m["gemma3.attention.sliding_window_pattern"] = new[] { true, false, true });
        AssertSameLogits(folder, path);
        GgufConverter.Write(folder, path, change: m => m["gemma3.attention.sliding_window_pattern"] = new[] { false, false, true });
        Assert.Throws<Xunit.Sdk.TrueException>(() => AssertSameLogits(folder, path));
    }

    [Fact]
    public void A_folder_with_one_GGUF_file_is_that_file()
    {
        GgufConverter.Write(GoldenFiles.Find("models/llama"), _folder.File("one.gguf"), GgufType.BF16);
        using (var checkpoint = Checkpoint.Open(_folder.Path))
            Assert.Equal(384, checkpoint.Config.VocabSize);
        File.Copy(_folder.File("one.gguf"), _folder.File("two.gguf"));
        Assert.Contains("holds 2 models in .gguf files", Assert.Throws<SteerException>(() => Checkpoint.Open(_folder.Path)).Message);
    }

    [Fact]
    public void A_file_without_the_extension_is_known_by_its_first_bytes()
    {
        GgufConverter.Write(GoldenFiles.Find("models/llama"), _folder.File("sha256-12ab"));
        using var checkpoint = Checkpoint.Open(_folder.File("sha256-12ab"));
        Assert.Equal(384, checkpoint.Config.VocabSize);
    }

    [Theory]
    [InlineData("general.architecture", "mamba", "the architecture mamba is not known in GGUF files; known are bloom, command-r")]
    [InlineData("general.type", "adapter", "is an adapter, not a whole model")]
    [InlineData("llama.embedding_length", "64", "llama.embedding_length must be a whole number")]
    [InlineData("llama.embedding_length", 96u, "tensor token_embd.weight has shape [384, 64] where [384, 96] is expected")]
    [InlineData("llama.block_count", 4u, "tensor blk.3.attn_norm.weight is missing; copy or download the file again")]
    [InlineData("llama.block_count", 2u, "tensor blk.2.attn_norm.weight and 8 others have no place in LlamaForCausalLM as its metadata describes it")]
    [InlineData("llama.block_count", null, "llama.block_count is missing")]
    [InlineData("llama.attention.head_count", 0u, "must be at least 1")]
    [InlineData("llama.attention.value_length", 8u, "llama.attention.value_length is 8 where keys have 16 numbers")]
    [InlineData("llama.rope.scaling.type", "dynamic", "the rope type dynamic is not known")]
    [InlineData("llama.rope.scaling.type", "longrope", "rope_scaling.short_factor is missing")]
    [InlineData("llama.rope.dimension_count", 17u, "llama.rope.dimension_count is 17 for heads of 16 numbers")]
    [InlineData("llama.rope.dimension_count", 8u, "llama.rope.dimension_count is less than a head")]
    [InlineData("llama.context_length", -1, "must be a whole number")]
    [InlineData("llama.expert_count", 2u, "llama.expert_used_count is missing")]
    public void What_cannot_be_loaded_is_one_line(string key, object? value, string expected) => Refused("llama", key, value, expected);

    [Theory]
    [InlineData("granite", "granite.embedding_length", 1u, "its metadata make attention_multiplier no finite number")]
    [InlineData("granite", "granite.attention.key_length", 0u, "its metadata make attention_multiplier no finite number")]
    [InlineData("gemma2", "gemma2.attention.head_count", 0u, "must be at least 1")]
    public void What_a_family_alone_reads_is_one_line_too(string model, string key, object value, string expected)
    {
        if (GoldenFiles.Exists($"models/{model}"))
            Refused(model, key, value, expected, without: $"{model}.attention.scale");
    }

    private void Refused(string model, string key, object? value, string expected, string without = "")
    {
        string path = _folder.File("model.gguf");
        GgufConverter.Write(GoldenFiles.Find($"models/{model}"), path, change: metadata =>
        {
            metadata.Remove(key);
            metadata.Remove(without);
            if (value is not null)
                metadata[key] = value;
        });
        string message = Assert.Throws<SteerException>(() => Checkpoint.Open(path)).Message;
        Assert.StartsWith($"{path}: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    // A copy whose config.json says what llama.cpp computes with where the GGUF file does not say it.
    private string AsFarAsGgufTells(string folder)
    {
        JsonObject config = GgufConverter.ReadConfig(folder);
        if (GgufConverter.Architecture(config) == "qwen3moe")
            config["norm_topk_prob"] = true;
        else if (GgufConverter.Architecture(config) == "smollm3")
            config["no_rope_layers"] = new JsonArray(1, 1, 1);
        else if (GgufConverter.Architecture(config) == "bloom")
            config["seq_length"] = config["hidden_size"]!.DeepClone();
        string copy = Directory.CreateDirectory(_folder.File("folder")).FullName;
        foreach (string file in Directory.GetFiles(folder, "model*"))
            File.CreateSymbolicLink(Path.Combine(copy, Path.GetFileName(file)), Path.GetFullPath(file));
        File.WriteAllText(Path.Combine(copy, "config.json"), config.ToJsonString());
        return copy;
    }

    private static void AssertSameLogits(string folder, string path)
    {
        using var original = Checkpoint.Open(folder);
        using var converted = Checkpoint.Open(path);
        int[] ids = [.. Enumerable.Range(0, 24).Select(i => i * 37 % 384)];

        Assert.Equal(original.Config.MaxPositions, converted.Config.MaxPositions);
        Assert.Equal(original.ParameterCount, converted.ParameterCount);
        // Both are the same numbers in the same order, but for llama3's factors and the 1 that Gemma's norms count from, which are rounded once more.
        AssertClose(
            DecoderRun.Logits(original.Config, original.Tensors, ids), DecoderRun.Logits(converted.Config, converted.Tensors, ids), 1e-5);
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        double mean = expected.Average(x => (double)x), deviation = Math.Sqrt(expected.Average(x => (x - mean) * (x - mean)));
        double worst = expected.Zip(actual).Max(p => Math.Abs((double)p.First - p.Second));
        Assert.True(worst < tolerance * deviation, $"Largest difference {worst:g3} is {worst / deviation:g3} of the logits' standard deviation.");
    }
}
