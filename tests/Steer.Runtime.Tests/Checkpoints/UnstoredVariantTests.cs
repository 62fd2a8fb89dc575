using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Models;
using Steer.Runtime.Tests.Models;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>
/// Variants of families of which no stored model is at hand: their tensors, named here as transformers names them, map, and the decoder computes
/// on them what a forward pass in float64 does.
/// </summary>
public sealed class UnstoredVariantTests : IDisposable
{
    // A float32 forward pass of two layers of width 8; see ModelGoldenTests.
    private const double MaxError = 2e-4;

    private const string Sizes = """
        "vocab_size": 10, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 32
        """;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Qwen3_with_a_mixture_in_some_layers()
    {
        string config = $$"""
            {"architectures": ["Qwen3MoeForCausalLM"], {{Sizes}}, "mlp_only_layers": [0], "num_experts": 3, "num_experts_per_tok": 2,
             "moe_intermediate_size": 6, "tie_word_embeddings": true}
            """;
        DecoderTensors tensors = Check(config,
        [
            ("embed_tokens", [10, 8]), ("norm", [8]), .. Each("input_layernorm", 8), .. Each("self_attn.q_proj", 8, 8), .. Each("self_attn.k_proj", 8, 8),
            .. Each("self_attn.v_proj", 8, 8), .. Each("self_attn.o_proj", 8, 8), .. Each("self_attn.q_norm", 4), .. Each("self_attn.k_norm", 4),
            .. Each("post_attention_layernorm", 8),
            ("layers.0.mlp.gate_proj", [12, 8]), ("layers.0.mlp.up_proj", [12, 8]), ("layers.0.mlp.down_proj", [8, 12]), ("layers.1.mlp.gate", [3, 8]),
            .. Enumerable.Range(0, 3).SelectMany(e => new (string, long[])[]
            {
                ($"layers.1.mlp.experts.{e}.gate_proj", [6, 8]), ($"layers.1.mlp.experts.{e}.up_proj", [6, 8]), ($"layers.1.mlp.experts.{e}.down_proj", [8, 6]),
            }),
        ]);
        Assert.Null(tensors.Layers[0].Router);
        Assert.Equal(3, tensors.Layers[1].ExpertUp.Count);
    }

    [Fact]
    public void StableLM_with_parallel_blocks_and_a_norm_of_each_heads_own()
    {
        string config = $$"""
            {"architectures": ["StableLmForCausalLM"], {{Sizes}}, "num_key_value_heads": 1, "use_parallel_residual": true, "qk_layernorm": true,
             "partial_rotary_factor": 0.5, "tie_word_embeddings": true}
            """;
        DecoderTensors tensors = Check(config,
        [
            ("embed_tokens", [10, 8]), ("norm", [8]), ("norm.bias", [8]), .. Each("input_layernorm", 8), .. Each("input_layernorm.bias", 8),
            .. Each("self_attn.q_proj", 8, 8), .. Each("self_attn.k_proj", 4, 8), .. Each("self_attn.v_proj", 4, 8), .. Each("self_attn.o_proj", 8, 8),
            .. Each("self_attn.q_layernorm.norms.0", 4), .. Each("self_attn.q_layernorm.norms.1", 4), .. Each("self_attn.k_layernorm.norms.0", 4),
            .. Each("mlp.gate_proj", 12, 8), .. Each("mlp.up_proj", 12, 8), .. Each("mlp.down_proj", 8, 12),
        ]);
        Assert.Null(tensors.Layers[0].MlpNorm);
        NormTensors norm = tensors.Layers[1].QueryNorm!;
        Assert.Equal(4, norm.GroupSize);
        Assert.Equal(TinyModel.Numbers("model.layers.1.self_attn.q_layernorm.norms.1.weight", 4), norm.Weight[4..]);
    }

    [Fact]
    public void Cohere_with_norms_of_queries_and_keys()
    {
        string config = $$"""{"architectures": ["CohereForCausalLM"], {{Sizes}}, "num_key_value_heads": 1, "use_qk_norm": true}""";
        DecoderTensors tensors = Check(config,
        [
            ("embed_tokens", [10, 8]), ("norm", [8]), .. Each("input_layernorm", 8), .. Each("self_attn.q_proj", 8, 8), .. Each("self_attn.k_proj", 4, 8),
            .. Each("self_attn.v_proj", 4, 8), .. Each("self_attn.o_proj", 8, 8), .. Each("self_attn.q_norm", 2, 4), .. Each("self_attn.k_norm", 1, 4),
            .. Each("mlp.gate_proj", 12, 8), .. Each("mlp.up_proj", 12, 8), .. Each("mlp.down_proj", 8, 12),
        ]);
        Assert.Equal(TinyModel.Numbers("model.layers.0.self_attn.q_norm.weight", 8), tensors.Layers[0].QueryNorm!.Weight);
    }

    [Fact]
    public void Phi_with_norms_of_queries_and_keys()
    {
        string config = $$"""{"architectures": ["PhiForCausalLM"], {{Sizes}}, "qk_layernorm": true}""";
        DecoderTensors tensors = Check(config,
        [
            ("embed_tokens", [10, 8]), .. Both("final_layernorm", 8), .. EachBoth("input_layernorm", 8), .. EachBoth("self_attn.q_proj", 8, 8),
            .. EachBoth("self_attn.k_proj", 8, 8), .. EachBoth("self_attn.v_proj", 8, 8), .. EachBoth("self_attn.dense", 8, 8),
            .. EachBoth("self_attn.q_layernorm", 4), .. EachBoth("self_attn.k_layernorm", 4), .. EachBoth("mlp.fc1", 12, 8), .. EachBoth("mlp.fc2", 8, 12),
            ("^lm_head", [10, 8]), ("^lm_head.bias", [10]),
        ], inGguf: false); // llama.cpp does not know these norms.
        Assert.Equal(8, tensors.Layers[0].KeyNorm!.Bias!.Length);
        Assert.Equal(TinyModel.Numbers("lm_head.bias", 10), tensors.LmHead.Parts[0].Bias);
    }

    [Fact]
    public void Phi3_with_longrope()
    {
        string config = $$"""
            {"architectures": ["Phi3ForCausalLM"], {{Sizes}}, "original_max_position_embeddings": 4, "tie_word_embeddings": true,
             "rope_scaling": {"rope_type": "longrope", "short_factor": [1.1, 1.7], "long_factor": [2.5, 7]} }
            """;
        Check(config,
        [
            ("embed_tokens", [10, 8]), ("norm", [8]), .. Each("input_layernorm", 8), .. Each("self_attn.qkv_proj", 24, 8),
            .. Each("self_attn.o_proj", 8, 8), .. Each("post_attention_layernorm", 8), .. Each("mlp.gate_up_proj", 24, 8),
            .. Each("mlp.down_proj", 8, 12),
        ]);
        using Checkpoint folder = Checkpoint.Open(_folder.Path), gguf = Checkpoint.Open(_folder.File("model.gguf"));
        RopeConfig rope = folder.Config.Ropes[0], converted = gguf.Config.Ropes[0];
        Assert.Equal(rope.InverseFrequencies, converted.InverseFrequencies);
        Assert.Equal(rope.Long!.InverseFrequencies, converted.Long!.InverseFrequencies);
        Assert.Equal((4, rope.Scale), (converted.Long.Above, converted.Scale));
        Assert.NotEqual(1, rope.Scale);
    }

    [Fact]
    public void Falcon_with_grouped_keys_and_one_norm_for_both_blocks()
    {
        string config = $$"""
            {"architectures": ["FalconForCausalLM"], {{Sizes}}, "new_decoder_architecture": true, "num_kv_heads": 1, "num_ln_in_parallel_attn": 1}
            """;
        DecoderTensors tensors = Check(config,
        [
            ("^transformer.word_embeddings", [10, 8]), .. Both("^transformer.ln_f", 8), .. Falcon("input_layernorm", 8), .. Falcon("input_layernorm.bias", 8),
            .. Falcon("self_attention.query_key_value", 16, 8), .. Falcon("self_attention.dense", 8, 8), .. Falcon("mlp.dense_h_to_4h", 32, 8),
            .. Falcon("mlp.dense_4h_to_h", 8, 32),
        ]);
        Assert.Null(tensors.Layers[0].MlpNorm);

        static IEnumerable<(string, long[])> Falcon(string name, params long[] shape) => [($"^transformer.h.0.{name}", shape), ($"^transformer.h.1.{name}", shape)];
    }

    // Writes the model, maps it, and holds the decoder against the float64 forward pass. Names have "model." before and ".weight" behind them,
    // unless they begin with ^ or end in .bias.
    private DecoderTensors Check(string config, IEnumerable<(string Name, long[] Shape)> tensors, bool inGguf = true)
    {
        TinyModel.Write(_folder, config, tensors.Select(t => new TensorDeclaration(
            (t.Name[0] == '^' ? t.Name[1..] : $"model.{t.Name}") + (t.Name.EndsWith(".bias", StringComparison.Ordinal) ? "" : ".weight"), DType.F32, t.Shape)));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        int[] ids = [1, 5, 2, 9, 0, 7, 3];
        float[] actual = DecoderRun.Logits(checkpoint.Config, checkpoint.Tensors, ids);
        double[] expected = [.. new ReferenceDecoder(checkpoint.Config, checkpoint.Tensors).Logits([.. ids.Select(id => (long)id)]).SelectMany(row => row)];
        double mean = expected.Average();
        double deviation = Math.Sqrt(expected.Average(z => (z - mean) * (z - mean)));
        Assert.True(expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max() < MaxError * deviation);
        if (inGguf)
            CheckGguf(ids, actual);
        return checkpoint.Tensors;
    }

    // The same numbers, through a GGUF file.
    private void CheckGguf(int[] ids, float[] expected)
    {
        string path = _folder.File("model.gguf");
        GgufConverter.Write(_folder.Path, path, change: metadata => metadata[$"{metadata["general.architecture"]}.expert_weights_norm"] = false);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Assert.Equal(expected, DecoderRun.Logits(checkpoint.Config, checkpoint.Tensors, ids));
    }

    private static IEnumerable<(string, long[])> Each(string name, params long[] shape) => [($"layers.0.{name}", shape), ($"layers.1.{name}", shape)];

    private static IEnumerable<(string, long[])> Both(string name, params long[] shape) => [(name, shape), ($"{name}.bias", [shape[0]])];

    private static IEnumerable<(string, long[])> EachBoth(string name, params long[] shape) => [.. Each(name, shape), .. Each($"{name}.bias", shape[0])];
}
