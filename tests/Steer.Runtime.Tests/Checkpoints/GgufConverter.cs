using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>
/// Makes a GGUF file of a Hugging Face folder with the names, keys and changes of llama.cpp's converter: rows of query and key permuted for Llama
/// and its kin, fused query, key and value stacked, GPT-2's projections turned, Gemma's norms with 1 added, experts in one tensor.
/// </summary>
internal static class GgufConverter
{
    private sealed record Weights(long[] Shape, float[] Numbers);

    private static readonly Dictionary<string, string> Whole = new()
    {
        ["model.embed_tokens"] = "token_embd",
        ["transformer.wte"] = "token_embd",
        ["transformer.wpe"] = "position_embd",
        ["transformer.word_embeddings"] = "token_embd",
        ["transformer.word_embeddings_layernorm"] = "token_embd_norm",
        ["gpt_neox.embed_in"] = "token_embd",
        ["model.norm"] = "output_norm",
        ["model.final_layernorm"] = "output_norm",
        ["transformer.ln_f"] = "output_norm",
        ["gpt_neox.final_layer_norm"] = "output_norm",
        ["lm_head"] = "output",
        ["embed_out"] = "output",
    };

    private static readonly Dictionary<string, string> OfLayer = new()
    {
        ["input_layernorm"] = "attn_norm",
        ["ln_1"] = "attn_norm",
        ["ln_attn"] = "attn_norm_2",
        ["ln_mlp"] = "attn_norm",
        ["self_attn.q_proj"] = "attn_q",
        ["self_attn.k_proj"] = "attn_k",
        ["self_attn.v_proj"] = "attn_v",
        ["self_attn.qkv_proj"] = "attn_qkv",
        ["self_attention.query_key_value"] = "attn_qkv",
        ["attention.query_key_value"] = "attn_qkv",
        ["attn.c_attn"] = "attn_qkv",
        ["self_attn.o_proj"] = "attn_output",
        ["self_attn.dense"] = "attn_output",
        ["self_attention.dense"] = "attn_output",
        ["attention.dense"] = "attn_output",
        ["attn.c_proj"] = "attn_output",
        ["self_attn.q_norm"] = "attn_q_norm",
        ["self_attn.k_norm"] = "attn_k_norm",
        ["post_attention_layernorm"] = "ffn_norm",
        ["ln_2"] = "ffn_norm",
        ["pre_feedforward_layernorm"] = "ffn_norm",
        ["post_feedforward_layernorm"] = "post_ffw_norm",
        ["mlp.gate_proj"] = "ffn_gate",
        ["mlp.up_proj"] = "ffn_up",
        ["mlp.gate_up_proj"] = "ffn_up",
        ["mlp.fc1"] = "ffn_up",
        ["mlp.c_fc"] = "ffn_up",
        ["mlp.dense_h_to_4h"] = "ffn_up",
        ["mlp.down_proj"] = "ffn_down",
        ["mlp.fc2"] = "ffn_down",
        ["mlp.c_proj"] = "ffn_down",
        ["mlp.dense_4h_to_h"] = "ffn_down",
        ["mlp.gate"] = "ffn_gate_inp",
        ["block_sparse_moe.gate"] = "ffn_gate_inp",
    };

    private static readonly Dictionary<string, string> OfExpert = new()
    {
        ["gate_proj"] = "ffn_gate_exps",
        ["up_proj"] = "ffn_up_exps",
        ["down_proj"] = "ffn_down_exps",
        ["w1"] = "ffn_gate_exps",
        ["w3"] = "ffn_up_exps",
        ["w2"] = "ffn_down_exps",
    };

    /// <summary>The name of an architecture in GGUF files.</summary>
    public static string Architecture(JsonObject config) => (string)config["architectures"]![0]! switch
    {
        "LlamaForCausalLM" or "MistralForCausalLM" or "MixtralForCausalLM" => "llama",
        "GraniteForCausalLM" => "granite",
        "SmolLM3ForCausalLM" => "smollm3",
        "Qwen2ForCausalLM" => "qwen2",
        "Qwen3ForCausalLM" => "qwen3",
        "Qwen3MoeForCausalLM" => "qwen3moe",
        "GemmaForCausalLM" => "gemma",
        "Gemma2ForCausalLM" => "gemma2",
        "Gemma3ForCausalLM" => "gemma3",
        "PhiForCausalLM" => "phi2",
        "Phi3ForCausalLM" => "phi3",
        "FalconForCausalLM" => "falcon",
        "GPT2LMHeadModel" => "gpt2",
        "GPTNeoXForCausalLM" => "gptneox",
        "Starcoder2ForCausalLM" => "starcoder2",
        "Olmo2ForCausalLM" => "olmo2",
        "StableLmForCausalLM" => "stablelm",
        "CohereForCausalLM" => "command-r",
        "BloomForCausalLM" => "bloom",
        var other => throw new ArgumentException($"{other} has no converter."),
    };

    /// <summary>Writes the file.</summary>
    /// <param name="folder">With config.json and safetensors.</param>
    /// <param name="path">The GGUF file.</param>
    /// <param name="type">Of matrices; vectors are float32.</param>
    /// <param name="change">Changes the metadata.</param>
    /// <param name="asOnce">As older converters did it: a tensor for each expert, and one for query, key and value of Phi 2.</param>
    public static void Write(
        string folder, string path, GgufType type = GgufType.F32, Action<Dictionary<string, object>>? change = null, bool asOnce = false)
    {
        JsonObject config = ReadConfig(folder);
        string architecture = Architecture(config);
        using TensorCatalog catalog = TensorCatalog.OpenFolder(folder);
        var tensors = new SortedDictionary<string, Weights>(StringComparer.Ordinal);
        var joined = new SortedDictionary<string, SortedDictionary<int, Weights>>(StringComparer.Ordinal);
        foreach (StoredTensor tensor in catalog.Tensors.Values)
        {
            // A model saved without its head lacks the prefix; a tied head is not converted.
            string name = tensor.Name.StartsWith("h.", StringComparison.Ordinal) || tensor.Name.StartsWith("w", StringComparison.Ordinal)
                || tensor.Name.StartsWith("ln_f", StringComparison.Ordinal) ? "transformer." + tensor.Name : tensor.Name;
            if (name.EndsWith("lm_head.weight", StringComparison.Ordinal) && IsTied(config, architecture))
                continue;
            var weights = new Weights([.. tensor.Shape], tensor.ReadAll());
            if (Regex.Match(name, @"layers\.(\d+)\.self_attn\.([qk])_layernorm\.norms\.(\d+)\.weight") is { Success: true } norm)
            {
                // Norms of single heads become one tensor, as experts do.
                Join($"blk.{norm.Groups[1]}.attn_{norm.Groups[2]}_norm.weight", norm.Groups[3].Value, weights);
                continue;
            }

            if (Regex.Match(name, @"layers\.(\d+)\.\w+\.experts\.(\d+)\.(\w+)\.weight") is { Success: true } expert)
            {
                Join($"blk.{expert.Groups[1]}.{OfExpert[expert.Groups[3].Value]}.weight", expert.Groups[2].Value, weights);
                continue;
            }

            string converted = Name(name, architecture);
            tensors.Add(converted, Change(converted, weights, config, architecture));
        }

        foreach ((string name, var all) in joined)
            tensors.Add(name, new Weights([all.Count, .. all[0].Shape], [.. all.Values.SelectMany(w => w.Numbers)]));
        if (asOnce)
            tensors = AsOnce(tensors);
        if (RopeFactors(config) is { } factors)
            tensors.Add("rope_freqs.weight", new Weights([factors.Length], factors));
        foreach (string kind in (string[])["long", "short"])
        {
            if (config["rope_scaling"]?[$"{kind}_factor"] is JsonArray ofPairs)
                tensors.Add($"rope_factors_{kind}.weight", new Weights([ofPairs.Count], [.. ofPairs.Select(factor => (float)factor!)]));
        }

        Dictionary<string, object> metadata = Metadata(config, architecture);
        change?.Invoke(metadata);
        Write(path, metadata, tensors, type);

        void Join(string name, string number, Weights weights)
        {
            if (!joined.TryGetValue(name, out var all))
                joined.Add(name, all = []);
            all.Add(int.Parse(number), weights);
        }
    }

    // Each expert in a tensor of its own; query, key and value in one.
    private static SortedDictionary<string, Weights> AsOnce(SortedDictionary<string, Weights> tensors)
    {
        var older = new SortedDictionary<string, Weights>(StringComparer.Ordinal);
        foreach ((string name, Weights weights) in tensors)
        {
            if (name.Contains("_exps."))
            {
                int each = weights.Numbers.Length / (int)weights.Shape[0];
                for (int i = 0; i < weights.Shape[0]; i++)
                    older.Add(name.Replace("_exps.", $".{i}."), new Weights(weights.Shape[1..], weights.Numbers[(i * each)..((i + 1) * each)]));
            }
            else if (name.Contains(".attn_q."))
            {
                Weights[] all = [weights, tensors[name.Replace("attn_q", "attn_k")], tensors[name.Replace("attn_q", "attn_v")]];
                older.Add(
                    name.Replace("attn_q", "attn_qkv"),
                    new Weights([all.Sum(w => w.Shape[0]), .. weights.Shape[1..]], [.. all.SelectMany(w => w.Numbers)]));
            }
            else if (!name.Contains(".attn_k.") && !name.Contains(".attn_v."))
            {
                older.Add(name, weights);
            }
        }

        return older;
    }

    /// <summary>Writes an adapter folder as a GGUF file: lora_B in the order that the base's rows have there.</summary>
    /// <param name="folder">With adapter_config.json and adapter_model.safetensors.</param>
    /// <param name="baseFolder">Its base.</param>
    /// <param name="path">The GGUF file.</param>
    /// <param name="change">Changes the metadata.</param>
    /// <param name="rename">Changes names of tensors.</param>
    public static void WriteAdapter(
        string folder, string baseFolder, string path, Action<Dictionary<string, object>>? change = null, Func<string, string>? rename = null)
    {
        JsonObject config = ReadConfig(baseFolder);
        string architecture = Architecture(config);
        var adapterConfig = (JsonObject)JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!;
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        var tensors = new SortedDictionary<string, Weights>(StringComparer.Ordinal);
        foreach (StoredTensor tensor in file.Tensors.Values)
        {
            bool isB = tensor.Name.EndsWith(".lora_B.weight", StringComparison.Ordinal);
            string module = Name(tensor.Name["base_model.model.".Length..^".lora_A.weight".Length] + ".weight", architecture);
            float[][] rows = [.. tensor.ReadAll().Chunk((int)tensor.Shape[1])];
            float[] numbers = [.. (isB ? Rows(module, rows, config, architecture) : rows).SelectMany(row => row)];
            string name = module + (isB ? ".lora_b" : ".lora_a");
            tensors.Add(rename?.Invoke(name) ?? name, new Weights([.. tensor.Shape], numbers));
        }

        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = architecture,
            ["general.type"] = "adapter",
            ["adapter.type"] = "lora",
            ["adapter.lora.alpha"] = (float)adapterConfig["lora_alpha"]!,
            ["general.base_model.0.name"] = "The Base",
        };
        change?.Invoke(metadata);
        Write(path, metadata, tensors, GgufType.F32);
    }

    /// <summary>config.json of a folder.</summary>
    public static JsonObject ReadConfig(string folder) => (JsonObject)JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;

    /// <summary>The name of a tensor in a GGUF file.</summary>
    public static string Name(string name, string architecture)
    {
        string module = name[..name.LastIndexOf('.')], suffix = name[name.LastIndexOf('.')..];
        if (Whole.TryGetValue(module, out string? whole))
            return whole + suffix;
        Match match = Regex.Match(module, @"\.(?:layers|h)\.(\d+)\.(.+)$");
        string ofLayer = OfLayer[match.Groups[2].Value];
        if (match.Groups[2].Value == "post_attention_layernorm" && architecture is "gemma2" or "gemma3" or "olmo2")
            ofLayer = ofLayer == "ffn_norm" && match.Groups[2].Value == "post_attention_layernorm" ? "post_attention_norm" : ofLayer;
        return $"blk.{match.Groups[1]}.{ofLayer}{suffix}";
    }

    /// <summary>The rows of a weight or bias of query, key or all three in the order that llama.cpp wants.</summary>
    public static T[] Rows<T>(string name, T[] rows, JsonObject config, string architecture)
    {
        int heads = Int(config, "num_attention_heads", "n_head"), kvHeads = KvHeads(config, architecture);
        if (architecture is "llama" or "granite" or "smollm3" && Regex.IsMatch(name, @"attn_[qk]\."))
        {
            int count = name.Contains("attn_q") ? heads : kvHeads, width = rows.Length / count;
            // reshape(heads, 2, width / 2), then the two inner dimensions exchanged.
            return [.. Enumerable.Range(0, rows.Length).Select(i => rows[i / width * width + i % 2 * (width / 2) + i % width / 2])];
        }

        if (architecture is not ("falcon" or "bloom" or "gptneox") || !name.Contains("attn_qkv"))
            return rows;
        int groups = architecture == "falcon" ? kvHeads : heads, queries = heads / groups, headDim = rows.Length / (groups * (queries + 2));
        T[][] slots = [.. rows.Chunk(headDim)];
        var kinds = slots.Select((slot, i) => (Slot: slot, Kind: Math.Max(0, i % (queries + 2) - queries + 1)));
        return [.. kinds.OrderBy(s => s.Kind).SelectMany(s => s.Slot)];
    }

    private static Weights Change(string name, Weights weights, JsonObject config, string architecture)
    {
        bool isWeight = name.EndsWith(".weight", StringComparison.Ordinal);
        if (architecture.StartsWith("gemma", StringComparison.Ordinal) && name.EndsWith("norm.weight", StringComparison.Ordinal))
            return weights with { Numbers = [.. weights.Numbers.Select(w => w + 1)] };
        if (architecture == "gpt2" && isWeight && Regex.IsMatch(name, @"attn_qkv|attn_output|ffn_up|ffn_down"))
        {
            long rows = weights.Shape[0], columns = weights.Shape[1];
            IEnumerable<int> places = Enumerable.Range(0, weights.Numbers.Length);
            return new Weights([columns, rows], [.. places.Select(i => weights.Numbers[i % rows * columns + i / rows])]);
        }

        int width = weights.Shape.Length == 1 ? 1 : (int)weights.Shape[^1];
        return weights with { Numbers = [.. Rows(name, weights.Numbers.Chunk(width).ToArray(), config, architecture).SelectMany(row => row)] };
    }

    private static bool IsTied(JsonObject config, string architecture) => config["tie_word_embeddings"] is { } tied
        ? (bool)tied
        : architecture is "gemma" or "gemma2" or "gemma3" or "gpt2" or "falcon" or "bloom" or "command-r" or "starcoder2" or "smollm3";

    private static int KvHeads(JsonObject config, string architecture)
    {
        int heads = Int(config, "num_attention_heads", "n_head");
        if (architecture == "falcon")
            return (bool)config["new_decoder_architecture"]! ? Int(config, "num_kv_heads") : 1;
        return config["num_key_value_heads"] is { } kvHeads ? (int)kvHeads : heads;
    }

    private static Dictionary<string, object> Metadata(JsonObject config, string architecture)
    {
        uint hidden = (uint)Int(config, "hidden_size", "n_embd"), heads = (uint)Int(config, "num_attention_heads", "n_head");
        uint headDim = config["head_dim"] is { } width ? (uint)width : hidden / heads;
        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = architecture,
            [$"{architecture}.block_count"] = (uint)Int(config, "num_hidden_layers", "n_layer"),
            [$"{architecture}.context_length"] = (uint)Int(config, "max_position_embeddings", "n_positions", "seq_length", "hidden_size"),
            [$"{architecture}.embedding_length"] = hidden,
            [$"{architecture}.feed_forward_length"] =
                architecture is "bloom" or "gpt2" or "falcon" ? 4 * hidden : (uint)Int(config, "intermediate_size"),
            [$"{architecture}.attention.head_count"] = heads,
            [$"{architecture}.attention.head_count_kv"] = (uint)KvHeads(config, architecture),
            ["tokenizer.ggml.eos_token_id"] = 2u,
            ["tokenizer.ggml.bos_token_id"] = 1u,
        };
        if (config["head_dim"] is not null)
        {
            metadata[$"{architecture}.attention.key_length"] = headDim;
            metadata[$"{architecture}.attention.value_length"] = headDim;
        }

        Copy("rms_norm_eps", "attention.layer_norm_rms_epsilon");
        foreach (string name in (string[])["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"])
            Copy(name, "attention.layer_norm_epsilon");
        Copy("rope_theta", "rope.freq_base");
        Copy("logit_scale", "logit_scale");
        Copy("attention_multiplier", "attention.scale");
        Copy("embedding_multiplier", "embedding_scale");
        Copy("residual_multiplier", "residual_scale");
        Copy("logits_scaling", "logit_scale");
        Copy("attn_logit_softcapping", "attn_logit_softcapping");
        Copy("final_logit_softcapping", "final_logit_softcapping");
        CopyInt("sliding_window", "attention.sliding_window");
        CopyInt("num_local_experts", "expert_count");
        CopyInt("num_experts", "expert_count");
        CopyInt("num_experts_per_tok", "expert_used_count");
        CopyInt("moe_intermediate_size", "expert_feed_forward_length");
        if (architecture == "gemma3")
            metadata["gemma3.attention.sliding_window_pattern"] = (uint)config["sliding_window_pattern"]!;
        if (config["use_parallel_residual"] is { } parallel)
            metadata[$"{architecture}.use_parallel_residual"] = (bool)parallel;
        if ((config["partial_rotary_factor"] ?? config["rotary_pct"]) is { } factor)
            metadata[$"{architecture}.rope.dimension_count"] = (uint)((double)factor * headDim);
        if (config["rope_scaling"] is JsonObject scaling && (string)scaling["rope_type"]! is "linear" or "yarn")
        {
            metadata[$"{architecture}.rope.scaling.type"] = (string)scaling["rope_type"]!;
            metadata[$"{architecture}.rope.scaling.factor"] = (float)scaling["factor"]!;
            if (scaling["original_max_position_embeddings"] is { } original)
                metadata[$"{architecture}.rope.scaling.original_context_length"] = (uint)original;
        }

        if (config["rope_scaling"]?["long_factor"] is not null)
        {
            double original = (double)config["original_max_position_embeddings"]!, scale = (double)config["max_position_embeddings"]! / original;
            metadata[$"{architecture}.rope.scaling.original_context_length"] = (uint)original;
            metadata[$"{architecture}.rope.scaling.attn_factor"] = (float)(scale > 1 ? Math.Sqrt(1 + Math.Log(scale) / Math.Log(original)) : 1);
        }

        return metadata;

        void Copy(string field, string key)
        {
            if (config[field] is { } value)
                metadata[$"{architecture}.{key}"] = (float)value;
        }

        void CopyInt(string field, string key)
        {
            if (config[field] is { } value)
                metadata[$"{architecture}.{key}"] = (uint)value;
        }
    }

    // llama3's scaling: what each frequency is divided by.
    private static float[]? RopeFactors(JsonObject config)
    {
        if (config["rope_scaling"] is not JsonObject scaling || (string)scaling["rope_type"]! != "llama3")
            return null;
        int dim = (int)config["head_dim"]!;
        double theta = (double)config["rope_theta"]!, factor = (double)scaling["factor"]!, low = (double)scaling["low_freq_factor"]!,
            high = (double)scaling["high_freq_factor"]!, context = (double)scaling["original_max_position_embeddings"]!;
        return [.. Enumerable.Range(0, dim / 2).Select(i =>
        {
            double wavelength = 2 * Math.PI * Math.Pow(theta, 2.0 * i / dim);
            if (wavelength < context / high)
                return 1;
            if (wavelength > context / low)
                return (float)factor;
            double smooth = (context / wavelength - low) / (high - low);
            return (float)(1 / ((1 - smooth) / factor + smooth));
        })];
    }

    private static int Int(JsonObject config, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (config[name] is { } value)
                return (int)value;
        }

        throw new ArgumentException($"config.json lacks {names[0]}.");
    }

    private static void Write(string path, Dictionary<string, object> metadata, SortedDictionary<string, Weights> tensors, GgufType type)
    {
        using var writer = GgufWriter.Create(path, metadata, [.. tensors.Select(t => new GgufDeclaration(
            t.Key, t.Value.Shape.Length == 1 || t.Value.Shape[^1] % type.BlockLength() != 0 ? GgufType.F32 : type, t.Value.Shape))]);
        foreach (Weights weights in tensors.Values)
            writer.Write(weights.Numbers);
        writer.Finish();
    }
}
