using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>A Llama of 2 layers and width 8, small enough to be broken in many ways.</summary>
internal static class TinyModel
{
    /// <summary>Its config.json.</summary>
    public const string Config = """
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 10, "hidden_size": 8, "intermediate_size": 12,
         "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32, "hidden_act": "silu",
         "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "attention_bias": true, "tie_word_embeddings": true, "torch_dtype": "float32",
         "bos_token_id": 0, "eos_token_id": 9}
        """;

    /// <summary>Its tensors.</summary>
    public static IEnumerable<TensorDeclaration> Tensors => [new("model.embed_tokens.weight", DType.F32, 10, 8),
        new("model.norm.weight", DType.F32, 8), .. Enumerable.Range(0, 2).SelectMany(Layer)];

    private static IEnumerable<TensorDeclaration> Layer(int layer) =>
    [
        new($"model.layers.{layer}.input_layernorm.weight", DType.F32, 8),
        new($"model.layers.{layer}.self_attn.q_proj.weight", DType.F32, 8, 8),
        new($"model.layers.{layer}.self_attn.q_proj.bias", DType.F32, 8),
        new($"model.layers.{layer}.self_attn.k_proj.weight", DType.F32, 4, 8),
        new($"model.layers.{layer}.self_attn.k_proj.bias", DType.F32, 4),
        new($"model.layers.{layer}.self_attn.v_proj.weight", DType.F32, 4, 8),
        new($"model.layers.{layer}.self_attn.v_proj.bias", DType.F32, 4),
        new($"model.layers.{layer}.self_attn.o_proj.weight", DType.F32, 8, 8),
        new($"model.layers.{layer}.self_attn.o_proj.bias", DType.F32, 8),
        new($"model.layers.{layer}.post_attention_layernorm.weight", DType.F32, 8),
        new($"model.layers.{layer}.mlp.gate_proj.weight", DType.F32, 12, 8),
        new($"model.layers.{layer}.mlp.up_proj.weight", DType.F32, 12, 8),
        new($"model.layers.{layer}.mlp.down_proj.weight", DType.F32, 8, 12),
    ];

    /// <summary>Writes the model into a folder.</summary>
    public static void Write(TempFolder folder, string config = Config, IEnumerable<TensorDeclaration>? tensors = null)
    {
        folder.Write("config.json", config);
        WriteTensors(folder.File("model.safetensors"), tensors ?? Tensors);
    }

    /// <summary>Writes tensors of small numbers, which differ from tensor to tensor and do not depend on their order.</summary>
    public static void WriteTensors(string path, IEnumerable<TensorDeclaration> tensors)
    {
        TensorDeclaration[] all = [.. tensors];
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, all);
        foreach (TensorDeclaration tensor in all)
            writer.Write(Numbers(tensor.Name, (int)tensor.Count));
        writer.Finish();
    }

    /// <summary>The numbers of a tensor of that name.</summary>
    public static float[] Numbers(string name, int count)
    {
        var random = new Random(name.Aggregate(17, (hash, c) => unchecked(hash * 31 + c)));
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];
    }
}
