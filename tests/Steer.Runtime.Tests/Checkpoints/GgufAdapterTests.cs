using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;
using Steer.Runtime.Models.Families;
using Steer.Runtime.Tests.Models;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>
/// LoRA adapters in GGUF files: llama.cpp's conversion of the embedded pair's expert against its folder, and PEFT's adapters, converted by
/// <see cref="GgufConverter"/>, against the logits of peft.
/// </summary>
public sealed class GgufAdapterTests : IDisposable
{
    // What a GGUF file can say: one alpha for all modules, scales of alpha / rank, and nothing but low-rank changes.
    private static readonly string[] Plain =
    [
        "falcon-paper-targets", "gpt2-conv1d", "llama-all-linear", "llama-layers-to", "llama-qv", "llama-regex-layers", "phi3-fused", "qwen3-all",
    ];

    private readonly TempFolder _folder = new();

    public static TheoryData<string> Adapters => new(GoldenFiles.Folders("adapters").Where(Plain.Contains));

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Adapters))]
    public async Task A_converted_adapter_gives_the_logits_of_peft(string adapter)
    {
        string folder = GoldenFiles.Find($"adapters/{adapter}"), baseFolder = ModelGoldenTests.BaseOf(folder);
        string path = _folder.File("adapter.gguf"), basePath = _folder.File("base.gguf");
        GgufConverter.WriteAdapter(folder, baseFolder, path);
        GgufConverter.Write(baseFolder, basePath);
        foreach (string ofBase in new[] { baseFolder, basePath })
        {
            using var engine = SteerEngine.Load(new EngineOptions { Base = ofBase, Expert = path, MaxBatch = 4 });
            await ModelGoldenTests.CheckLogits(engine, folder, Variant.Expert);
        }
    }

    [Fact]
    public void The_embedded_expert_converted_by_llama_cpp_is_that_of_its_folder()
    {
        if (!GoldenFiles.Exists("gguf/astronomy-lora.gguf"))
            return;
        using var checkpoint = Checkpoint.Open(Path.Combine(GoldenFiles.Weights, "base"));
        using var expected = Adapter.Open(Path.Combine(GoldenFiles.Weights, "experts", "astronomy"), checkpoint);
        using var actual = Adapter.Open(GoldenFiles.Find("gguf/astronomy-lora.gguf"), checkpoint);
        Assert.Equal(expected.Modules, actual.Modules);
        Assert.Equal(expected.Ranks, actual.Ranks);
        Assert.Equal(expected.ParameterCount, actual.ParameterCount);
        foreach (ModulePlace place in ModuleIndex.Of(checkpoint.Tensors, new TensorNames()).Values)
        {
            IReadOnlyList<LoraSegment>? segments = expected.SegmentsFor(place.Linear), others = actual.SegmentsFor(place.Linear);
            Assert.Equal(segments?.Count, others?.Count);
            foreach ((LoraSegment segment, LoraSegment other) in segments?.Zip(others!) ?? [])
            {
                Assert.Equal(segment.ColumnStart, other.ColumnStart);
                Assert.Equal(Numbers(segment.A!), Numbers(other.A!));
                Assert.Equal(Numbers(segment.B!), Numbers(other.B!));
            }
        }
    }

    [Fact]
    public void An_alpha_of_zero_scales_nothing()
    {
        string folder = GoldenFiles.Find("adapters/llama-qv"), baseFolder = ModelGoldenTests.BaseOf(folder), path = _folder.File("adapter.gguf");
        GgufConverter.WriteAdapter(folder, baseFolder, path, metadata => metadata["adapter.lora.alpha"] = 0f);
        using var checkpoint = Checkpoint.Open(baseFolder);
        using var expected = Adapter.Open(folder, checkpoint);
        using var actual = Adapter.Open(path, checkpoint);
        double scale = (double)ReadAlpha(folder) / expected.Ranks.Single();
        var linear = checkpoint.Tensors.Layers[0].Qkv;
        Assert.Equal(
            Numbers(expected.SegmentsFor(linear)![0].B!).Select(x => x / (float)scale), Numbers(actual.SegmentsFor(linear)![0].B!));

        static float ReadAlpha(string folder) =>
            (float)System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!["lora_alpha"]!;
    }

    [Theory]
    [InlineData("adapter.type", "control", "adapter.type is control; only lora can be loaded")]
    [InlineData("adapter.type", null, "adapter.type is missing")]
    [InlineData("general.architecture", "qwen2", "was made for the architecture qwen2, but the base")]
    [InlineData("adapter.alora.invocation_tokens", new[] { 1, 2 }, "adapter.alora.invocation_tokens is set, which is not supported")]
    public void An_adapter_of_another_kind_is_one_line(string key, object? value, string expected) => AssertRefused(expected, metadata =>
    {
        metadata.Remove(key);
        if (value is not null)
            metadata[key] = value;
    });

    [Theory]
    [InlineData("blk.0.attn_q.weight.lora_a", "token_embd.weight.lora_a", "adapts an embedding")]
    [InlineData("blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_c", "is of an unknown kind")]
    [InlineData("blk.0.attn_q.weight.lora_a", "blk.0.attn_x.weight.lora_a", "adapts blk.0.attn_x, which the base")]
    [InlineData("blk.0.attn_q.weight.lora_a", "blk.7.attn_q.weight.lora_a", "adapts model.layers.7.self_attn.q_proj, which the base")]
    [InlineData("blk.0.attn_q.weight.lora_a", "blk.0.ffn_up.weight.lora_a", "is missing")]
    public void A_tensor_without_a_place_is_one_line(string name, string other, string expected) =>
        AssertRefused(expected, rename: n => n == name ? other : n);

    private void AssertRefused(string expected, Action<Dictionary<string, object>>? change = null, Func<string, string>? rename = null)
    {
        string folder = GoldenFiles.Find("adapters/llama-qv"), baseFolder = ModelGoldenTests.BaseOf(folder), path = _folder.File("adapter.gguf");
        GgufConverter.WriteAdapter(folder, baseFolder, path, change, rename);
        using var checkpoint = Checkpoint.Open(baseFolder);
        Assert.True(Adapter.IsAdapter(path));
        string message = Assert.Throws<SteerException>(() => Adapter.Open(path, checkpoint)).Message;
        Assert.StartsWith($"{path}: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    private static float[] Numbers(WeightMatrix matrix)
    {
        var numbers = new float[matrix.Rows * matrix.Columns];
        for (int row = 0; row < matrix.Rows; row++)
            matrix.ReadRow(row, numbers.AsSpan(row * matrix.Columns, matrix.Columns));
        return numbers;
    }
}
