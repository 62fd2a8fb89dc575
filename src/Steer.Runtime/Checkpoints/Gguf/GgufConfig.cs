using System.Text.Json.Nodes;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// Turns the metadata of a model into the config.json that its Hugging Face folder has, so that each family is planned in one place. What the
/// metadata leave out is what llama.cpp computes with. Names of keys: gguf-py's constants.py; what a converter writes: llama.cpp's conversion folder.
/// </summary>
internal static class GgufConfig
{
    /// <summary>Key of the architecture's name.</summary>
    public const string Architecture = "general.architecture";

    // Where there are several architectures, the first one unless the reader sets another.
    private sealed record Family(Action<GgufReader>? Read, params string[] Architectures);

    private static readonly SortedDictionary<string, Family> Families = new(StringComparer.Ordinal)
    {
        ["bloom"] = new(Bloom, "BloomForCausalLM"),
        ["command-r"] = new(CommandR, "CohereForCausalLM"),
        ["falcon"] = new(Falcon, "FalconForCausalLM"),
        ["gemma"] = new(null, "GemmaForCausalLM"),
        ["gemma2"] = new(Gemma2, "Gemma2ForCausalLM"),
        ["gemma3"] = new(Gemma3, "Gemma3ForCausalLM"),
        ["gpt2"] = new(Gpt2, "GPT2LMHeadModel"),
        ["gptneox"] = new(GptNeoX, "GPTNeoXForCausalLM"),
        ["granite"] = new(Granite, "GraniteForCausalLM"),
        ["llama"] = new(Llama, "LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM"),
        ["olmo2"] = new(Olmo2, "Olmo2ForCausalLM"),
        ["phi2"] = new(null, "PhiForCausalLM"),
        ["phi3"] = new(Phi3, "Phi3ForCausalLM"),
        ["qwen2"] = new(null, "Qwen2ForCausalLM"),
        ["qwen3"] = new(null, "Qwen3ForCausalLM"),
        ["qwen3moe"] = new(Qwen3Moe, "Qwen3MoeForCausalLM"),
        ["smollm3"] = new(null, "SmolLM3ForCausalLM"),
        ["stablelm"] = new(StableLm, "StableLmForCausalLM"),
        ["starcoder2"] = new(null, "Starcoder2ForCausalLM"),
    };

    /// <summary>The fields of config.json.</summary>
    /// <exception cref="SteerException">The architecture is not known, or a value is missing or wrong.</exception>
    public static ConfigFields Read(GgufFile file)
    {
        GgufMetadata metadata = file.Metadata;
        string architecture = metadata.Text(Architecture);
        if (!Families.TryGetValue(architecture, out Family? family))
        {
            throw FileError.At(
                file.Path, $"the architecture {architecture} is not known in GGUF files; known are {string.Join(", ", Families.Keys)}.");
        }

        var reader = new GgufReader(file, architecture);
        reader.Set("vocab_size", VocabSize(file));
        reader.Set("hidden_size", reader.Integer("embedding_length"));
        reader.Set("num_hidden_layers", reader.Integer("block_count"));
        reader.Set("intermediate_size", reader.UniformInteger("feed_forward_length"));
        reader.Set("max_position_embeddings", reader.Integer("context_length"));
        Heads(reader);
        Norms(reader);
        GgufRope.Read(reader);
        reader.Set("architectures", new JsonArray(family.Architectures[0]));
        family.Read?.Invoke(reader);
        return reader.Fields();
    }

    /// <summary>Whether GGUF files call an architecture by this name.</summary>
    public static bool IsOf(string name, string architecture) =>
        Families.TryGetValue(name, out Family? family) && family.Architectures.Contains(architecture);

    private static long VocabSize(GgufFile file) =>
        file.Tensors.TryGetValue("token_embd.weight", out GgufTensor? embedding) && embedding.Shape.Length == 2
        ? embedding.Shape[0]
        : throw FileError.At(file.Path, "holds no matrix token_embd.weight, so it is no whole language model; copy or download it again.");

    private static void Heads(GgufReader reader)
    {
        long heads = reader.UniformInteger("attention.head_count");
        reader.Set("num_attention_heads", heads);
        reader.Set("num_key_value_heads", reader.UniformIntegerOrNull("attention.head_count_kv") ?? heads);
        long? keys = reader.IntegerOrNull("attention.key_length"), values = reader.IntegerOrNull("attention.value_length");
        if (keys != values && keys is not null && values is not null)
            throw reader.Error("attention.value_length", $"is {values} where keys have {keys} numbers, which is not supported; use another model.");
        // Without a length a head has its share of the width, whatever the family's own default is.
        reader.Set("head_dim", keys ?? (heads > 0 ? reader.Integer("embedding_length") / heads : 0));
    }

    private static void Norms(GgufReader reader)
    {
        double? rms = reader.NumberOrNull("attention.layer_norm_rms_epsilon"), layer = reader.NumberOrNull("attention.layer_norm_epsilon");
        if (rms is not null)
            reader.Set("rms_norm_eps", rms.Value);
        if (layer is null)
            return;
        foreach (string name in (string[])["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"])
            reader.Set(name, layer.Value);
    }

    private static void Llama(GgufReader reader)
    {
        if (reader.IntegerOrNull("expert_count") is > 0 and var experts)
        {
            reader.Set("architectures", new JsonArray("MixtralForCausalLM"));
            reader.Set("num_local_experts", experts);
            reader.Set("num_experts_per_tok", reader.Integer("expert_used_count"));
        }
        else if (reader.IntegerOrNull("attention.sliding_window") is > 0 and var window)
        {
            reader.Set("architectures", new JsonArray("MistralForCausalLM"));
            reader.Set("sliding_window", window);
        }
    }

    private static void Qwen3Moe(GgufReader reader)
    {
        reader.Set("num_experts", reader.Integer("expert_count"));
        reader.Set("num_experts_per_tok", reader.Integer("expert_used_count"));
        reader.Set("moe_intermediate_size", reader.Integer("expert_feed_forward_length"));
        reader.Set("norm_topk_prob", reader.BoolOrNull("expert_weights_norm") ?? true);
        // No more layers than tensors are looked at; the plan refuses a file that claims more.
        long layers = Math.Min(reader.Integer("block_count"), reader.File.Tensors.Count);
        var dense = new JsonArray();
        for (int i = 0; i < layers; i++)
        {
            if (!reader.HasTensor($"blk.{i}.ffn_gate_inp.weight"))
                dense.Add(i);
        }

        reader.Set("mlp_only_layers", dense);
    }

    private static void Gemma2(GgufReader reader)
    {
        QueryScale(reader, layersOf27B: 46);
        reader.Copy("attn_logit_softcapping", "attn_logit_softcapping");
        reader.Copy("final_logit_softcapping", "final_logit_softcapping");
        if (reader.IntegerOrNull("attention.sliding_window") is > 0 and var window)
            reader.Set("sliding_window", window);
    }

    private static void Gemma3(GgufReader reader)
    {
        QueryScale(reader, layersOf27B: 62);
        reader.Copy("final_logit_softcapping", "final_logit_softcapping");
        reader.Set("rope_local_base_freq", reader.NumberOrNull("rope.freq_base_swa") ?? 10000);
        long window = reader.IntegerOrNull("attention.sliding_window") ?? 0;
        if (window > 0)
            reader.Set("sliding_window", window);
        if (reader.IsArray("attention.sliding_window_pattern"))
        {
            IEnumerable<JsonNode> types = reader.Integers("attention.sliding_window_pattern")
                .Select(slides => (JsonNode)(slides != 0 ? "sliding_attention" : "full_attention"));
            reader.Set("layer_types", new JsonArray([.. types]));
        }
        else
        {
            reader.Set("sliding_window_pattern", window > 0 ? reader.IntegerOrNull("attention.sliding_window_pattern") ?? 6 : 1);
        }
    }

    // Scores are scaled by the width of a head; in the models of 27 billion parameters, which no key tells apart, by the width that it would have.
    private static void QueryScale(GgufReader reader, long layersOf27B)
    {
        double width = reader.IntegerOrNull("attention.key_length") ?? 256;
        if (reader.NumberOrNull("attention.scale") is > 0 and var scale)
            width = 1 / (scale * scale);
        else if (reader.Integer("block_count") == layersOf27B)
            width = (double)reader.Integer("embedding_length") / reader.UniformInteger("attention.head_count");
        reader.Set("query_pre_attn_scalar", width);
    }

    private static void Granite(GgufReader reader)
    {
        double? scale = reader.NumberOrNull("attention.scale");
        reader.Set("attention_multiplier", scale is > 0 ? scale.Value : 1 / Math.Sqrt(reader.HeadDim));
        reader.Copy("embedding_scale", "embedding_multiplier");
        reader.Copy("residual_scale", "residual_multiplier");
        reader.Copy("logit_scale", "logits_scaling");
    }

    private static void CommandR(GgufReader reader)
    {
        reader.Copy("logit_scale", "logit_scale");
        reader.Set("use_qk_norm", reader.HasTensor("blk.0.attn_q_norm.weight"));
    }

    private static void StableLm(GgufReader reader)
    {
        reader.Set("use_parallel_residual", !reader.HasTensor("blk.0.ffn_norm.weight"));
        reader.Set("qk_layernorm", reader.HasTensor("blk.0.attn_q_norm.weight"));
    }

    private static void Phi3(GgufReader reader)
    {
        if (reader.IntegerOrNull("attention.sliding_window") is > 0 and var window)
            reader.Set("sliding_window", window);
    }

    private static void Olmo2(GgufReader reader)
    {
        if (reader.IntegerOrNull("attention.sliding_window") is > 0)
            throw reader.Error("attention.sliding_window", "is that of OLMo 3, which is not supported; use another model.");
    }

    private static void Falcon(GgufReader reader)
    {
        bool twoNorms = reader.HasTensor("blk.0.attn_norm_2.weight");
        long kvHeads = reader.UniformIntegerOrNull("attention.head_count_kv") ?? 1;
        bool grouped = twoNorms || kvHeads > 1;
        reader.Set("new_decoder_architecture", grouped);
        reader.Set("multi_query", !grouped);
        reader.Set("num_kv_heads", kvHeads);
        reader.Set("num_ln_in_parallel_attn", twoNorms ? 2 : 1);
        reader.Set("ffn_hidden_size", reader.UniformInteger("feed_forward_length"));
    }

    private static void GptNeoX(GgufReader reader)
    {
        reader.Set("use_parallel_residual", reader.BoolOrNull("use_parallel_residual") ?? true);
    }

    private static void Gpt2(GgufReader reader)
    {
        reader.Set("n_embd", reader.Integer("embedding_length"));
        reader.Set("n_head", reader.UniformInteger("attention.head_count"));
        reader.Set("n_layer", reader.Integer("block_count"));
        reader.Set("n_inner", reader.UniformInteger("feed_forward_length"));
        reader.Set("n_positions", reader.Integer("context_length"));
    }

    private static void Bloom(GgufReader reader)
    {
        reader.Set("seq_length", reader.Integer("context_length"));
    }
}
