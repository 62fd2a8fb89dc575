using System.Text;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>What families make of config.json, against numbers worked out by hand from the published formulas.</summary>
public class FamilyConfigTests
{
    // Frequencies are rounded to float32 a few times on the way; the expected ones are printed with 7 digits.
    private const double Relative = 2e-6;

    [Theory]
    [InlineData("""{"rope_theta": 10000, "rope_scaling": null}""")]
    [InlineData("""{"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}}""")]
    [InlineData("{}")]
    public void Default_frequencies_fall_by_a_constant_ratio(string rope) =>
        AssertRope(rope, 1, [1, 0.3162278, 0.1, 0.03162278, 0.01, 0.003162278, 0.001, 0.0003162278]);

    [Theory]
    [InlineData("""{"rope_theta": 10000, "rope_scaling": {"type": "linear", "factor": 2}}""")]
    [InlineData("""{"rope_parameters": {"rope_theta": 10000.0, "rope_type": "linear", "factor": 2.0}}""")]
    public void Linear_scaling_divides(string rope) =>
        AssertRope(rope, 1, [0.5, 0.1581139, 0.05, 0.01581139, 0.005, 0.001581139, 0.0005, 0.0001581139]);

    [Theory]
    [InlineData("""{"rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}}""")]
    [InlineData("""{"rope_parameters": {"rope_theta": 500000, "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}}""")]
    public void Llama3_scaling_keeps_short_waves_and_blends(string rope) =>
        AssertRope(rope, 1, [1, 0.07940301, 0.004700754, 0.0009115831, 0.0001767767, 3.428102e-05, 6.64787e-06, 1.289173e-06]);

    [Theory]
    [InlineData("""{"rope_theta": 10000, "rope_scaling": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 64}}""")]
    [InlineData("""{"rope_parameters": {"rope_theta": 10000, "rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 64}}""")]
    [InlineData("""{"rope_theta": 10000, "rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": 64}}""")]
    public void Yarn_ramps_between_the_dimensions_that_turn_often_and_seldom(string rope) =>
        AssertRope(rope, 1.1386294, [1, 0.2371708, 0.05, 0.007905694, 0.0025, 0.0007905694, 0.00025, 7.905694e-05]);

    [Fact]
    public void Yarn_takes_its_options() => AssertRope("""
        {"rope_scaling": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "beta_fast": 8, "beta_slow": 0.5,
         "truncate": false, "mscale": 0.707, "mscale_all_dim": 0.5}}
        """, 1.0268362, [1, 0.2384085, 0.0442483, 0.007905694, 0.0025, 0.0007905694, 0.00025, 7.905694e-05]);

    [Fact]
    public void An_unknown_rope_type_is_refused_by_name() =>
        Assert.Contains("the rope type dynamic is not known; known are default, linear, llama3, longrope and yarn",
            Refusal("""{"rope_scaling": {"type": "dynamic", "factor": 4}}"""));

    [Theory]
    // As transformers 4 writes it, with the name that Phi-3 had for it first, and as transformers 5 does.
    [InlineData("""{"original_max_position_embeddings": 64, "rope_scaling": {"type": "longrope", "short_factor": $S, "long_factor": $L}}""")]
    [InlineData("""{"original_max_position_embeddings": 64, "rope_scaling": {"type": "su", "short_factor": $S, "long_factor": $L}}""")]
    [InlineData("""
        {"rope_parameters": {"rope_type": "longrope", "rope_theta": 10000, "original_max_position_embeddings": 64, "short_factor": $S,
         "long_factor": $L}}
        """)]
    public void Longrope_has_factors_of_each_pair_for_short_and_for_long_contexts(string rope)
    {
        double[] shorts = [1, 1.01, 1.05, 1.2, 1.4, 1.5, 1.75, 2], longs = [1.08, 1.5, 3.5, 9, 20.5, 41, 61.25, 64];
        DecoderConfig config = Llama(rope.Replace("$S", $"[{string.Join(", ", shorts)}]").Replace("$L", $"[{string.Join(", ", longs)}]"));

        // Contexts of 64 of 256 tokens: sqrt(1 + ln 4 / ln 64) = 2 / sqrt 3.
        double scale = Math.Sqrt(1 + Math.Log(4) / Math.Log(64));
        foreach ((int? length, int window, double[] factors) in new (int?, int, double[])[]
            { (null, 64, shorts), (10, 10, shorts), (64, 64, shorts), (65, 65, longs), (256, 256, longs), (1000, 256, longs) })
        {
            DecoderConfig cut = config.ForLength(length);
            Assert.Equal((window, 256), (cut.MaxPositions, cut.WindowLimit));
            AssertClose([.. factors.Select((f, i) => 1 / (f * Math.Pow(10000, i / 8.0)))], cut.Ropes[0].InverseFrequencies);
            AssertClose([scale], [cut.Ropes[0].Scale]);
        }
    }

    [Fact]
    public void Longrope_takes_its_options()
    {
        const string factors = "\"short_factor\": [1, 1, 1, 1, 1, 1, 1, 1], \"long_factor\": [2, 2, 2, 2, 2, 2, 2, 2]";
        AssertScale(1.19, "\"attention_factor\": 1.19");
        AssertScale(Math.Sqrt(1 + Math.Log(8) / Math.Log(64)), "\"factor\": 8");
        AssertScale(1, "\"factor\": 0.5");

        static void AssertScale(double expected, string option)
        {
            string config = $$$"""{"rope_scaling": {"type": "longrope", "original_max_position_embeddings": 64, {{{factors}}}, {{{option}}}}}""";
            AssertClose([expected], [Llama(config).Ropes[0].Scale]);
        }
    }

    [Theory]
    [InlineData("[1, 2]", "rope_scaling.long_factor has 2 numbers where 8 pairs of columns rotate")]
    [InlineData("[1, 1, 1, 1, 1, 1, 1, 0]", "rope_scaling.long_factor must hold numbers above 0")]
    [InlineData("[1, 1, 1, 1, 1, 1, 1, \"x\"]", "rope_scaling.long_factor must be a list of numbers")]
    [InlineData("null", "rope_scaling.long_factor is missing")]
    [InlineData("[1, 1, 1, 1, 1, 1, 1, 1e-44]", "give frequencies that are no numbers")]
    public void Factors_of_longrope_that_do_not_fit_are_refused(string factors, string problem) => Assert.Contains(
        problem, Refusal($$$"""{"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 1, 1, 1, 1, 1], "long_factor": {{{factors}}}}}"""));

    [Fact]
    public void Without_longrope_a_length_only_cuts_the_window()
    {
        DecoderConfig config = Llama("{}");
        Assert.True(config.SameShape(config.ForLength(null)));
        Assert.Equal((10, 256), (config.ForLength(10).MaxPositions, config.ForLength(10).WindowLimit));
        Assert.Equal(config.Ropes, config.ForLength(10).Ropes);
    }

    [Fact]
    public void A_part_of_the_head_rotates()
    {
        RopeConfig rope = Llama("""{"partial_rotary_factor": 0.25}""").Ropes[0];
        Assert.Equal(2, rope.InverseFrequencies.Length);
        Assert.Equal(0.01f, rope.InverseFrequencies[1]);
    }

    [Theory]
    // Llama has no window even where the field is there; Mistral has one on all layers, and by default.
    [InlineData("LlamaForCausalLM", """{"sliding_window": 4}""", "0 0 0 0")]
    [InlineData("MistralForCausalLM", """{"sliding_window": 4}""", "4 4 4 4")]
    [InlineData("MistralForCausalLM", """{"sliding_window": null}""", "0 0 0 0")]
    [InlineData("MistralForCausalLM", "{}", "4096 4096 4096 4096")]
    [InlineData("Phi3ForCausalLM", """{"sliding_window": 5}""", "5 5 5 5")]
    [InlineData("Starcoder2ForCausalLM", """{"sliding_window": 5}""", "5 5 5 5")]
    [InlineData("Qwen2ForCausalLM", """{"sliding_window": 4, "use_sliding_window": false, "max_window_layers": 0}""", "0 0 0 0")]
    [InlineData("Qwen2ForCausalLM", """{"sliding_window": 4, "use_sliding_window": true, "max_window_layers": 3}""", "0 0 0 4")]
    [InlineData("Qwen2ForCausalLM", """{"sliding_window": 4, "use_sliding_window": true, "layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]}""", "4 0 0 4")]
    [InlineData("Gemma2ForCausalLM", """{"sliding_window": 4}""", "4 0 4 0")]
    [InlineData("Gemma3ForCausalLM", """{"sliding_window": 4, "sliding_window_pattern": 3}""", "4 4 0 4")]
    [InlineData("SmolLM3ForCausalLM", """{"sliding_window": 4, "use_sliding_window": true, "no_rope_layers": [1, 0, 1, 0]}""", "4 0 4 0")]
    public void Windows_are_on_the_layers_that_the_family_gives_them(string architecture, string fields, string windows) =>
        Assert.Equal(windows, string.Join(' ', Plan(architecture, fields).Config.Layers.Select(l => l.Window)));

    [Fact]
    public void SmolLM3_does_not_rotate_every_fourth_layer() =>
        Assert.Equal([0, 0, 0, -1], Plan("SmolLM3ForCausalLM", "{}").Config.Layers.Select(l => l.Rope));

    [Theory]
    [InlineData("""{"rope_theta": 1000000, "rope_local_base_freq": 10000, "rope_scaling": {"rope_type": "linear", "factor": 8}}""")]
    [InlineData("""{"rope_parameters": {"full_attention": {"rope_theta": 1000000, "rope_type": "linear", "factor": 8}, "sliding_attention": {"rope_theta": 10000, "rope_type": "default"}}}""")]
    public void Gemma3_has_frequencies_for_each_kind_of_layer(string rope)
    {
        DecoderConfig config = Plan("Gemma3ForCausalLM", rope, """{"sliding_window_pattern": 2, "sliding_window": 4, "head_dim": 16}""").Config;
        Assert.Equal([1, 0, 1, 0], config.Layers.Select(l => l.Rope));
        AssertClose([.. Enumerable.Range(0, 8).Select(i => Math.Pow(1e6, -i / 8.0) / 8)], config.Ropes[0].InverseFrequencies);
        AssertClose([.. Enumerable.Range(0, 8).Select(i => Math.Pow(1e4, -i / 8.0))], config.Ropes[1].InverseFrequencies);
    }

    [Fact]
    public void Gemma_scales_embeddings_and_scores()
    {
        DecoderConfig config = Plan("Gemma2ForCausalLM", """{"query_pre_attn_scalar": 144, "hidden_size": 64, "final_logit_softcapping": null}""").Config;
        Assert.Equal(8, config.EmbeddingScale);
        Assert.Equal(1f / 12, config.Layers[0].AttentionScale);
        Assert.Equal(50, config.AttentionSoftCap);
        Assert.Equal(0, config.LogitSoftCap);
        Assert.Equal(256, config.HeadDim);
        Assert.Equal(Activation.GeluTanh, config.Activation);
    }

    [Fact]
    public void Granite_has_multipliers()
    {
        DecoderConfig config = Plan("GraniteForCausalLM",
            """{"attention_multiplier": 0.0078125, "embedding_multiplier": 12, "logits_scaling": 8, "residual_multiplier": 0.22}""").Config;
        Assert.Equal((0.0078125f, 12f, 0.125f, 0.22f),
            (config.Layers[0].AttentionScale, config.EmbeddingScale, config.LogitScale, config.ResidualScale));
    }

    [Fact]
    public void Qwen3_moe_mixes_experts_where_it_is_told_to()
    {
        ModelPlan plan = Plan("Qwen3MoeForCausalLM", """
            {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "intermediate_size": 96, "decoder_sparse_step": 2,
             "mlp_only_layers": [3], "norm_topk_prob": true}
            """);
        Assert.Equal([false, true, false, false], plan.Config.Layers.Select(l => l.IsMoe));
        Assert.Equal((4, 2, true, 24, 96), (plan.Config.NumExperts, plan.Config.ExpertsPerToken, plan.Config.NormaliseExpertWeights,
            plan.Config.IntermediateSize, plan.Config.DenseIntermediateSize));
    }

    [Fact]
    public void Gpt2_divides_scores_by_the_number_of_the_layer()
    {
        DecoderConfig config = Plan("GPT2LMHeadModel",
            """{"n_embd": 64, "n_head": 4, "n_layer": 3, "n_positions": 8, "scale_attn_by_inverse_layer_idx": true}""").Config;
        Assert.Equal([0.25f, 0.125f, 0.25f / 3], config.Layers.Select(l => l.AttentionScale));
        Assert.Equal(256, config.IntermediateSize);
    }

    [Fact]
    public void Gpt_neo_repeats_its_kinds_of_attention()
    {
        DecoderConfig config = Plan("GPTNeoForCausalLM", """
            {"num_heads": 4, "num_layers": 5, "attention_types": [[["global", "local"], 2], [["local"], 1]], "window_size": 7}
            """).Config;
        Assert.Equal([0, 7, 0, 7, 7], config.Layers.Select(l => l.Window));
        Assert.All(config.Layers, layer => Assert.Equal(1, layer.AttentionScale));
    }

    [Fact]
    public void Slopes_of_a_number_of_heads_that_is_no_power_of_two_are_filled_up_from_the_next_one() =>
        Assert.Equal([0.25f, 0.0625f, 0.015625f, 0.00390625f, 0.5f, 0.125f], Alibi.Slopes(6));

    [Theory]
    [InlineData("""{"architectures": ["MambaForCausalLM"]}""", "the architecture MambaForCausalLM is not known; known are BloomForCausalLM, CohereForCausalLM")]
    [InlineData("""{"architectures": [], "model_type": "rwkv"}""", "the architecture rwkv is not known")]
    [InlineData("""{"architectures": null, "model_type": null}""", "the architecture (none) is not known")]
    [InlineData("""{"quantization_config": {"quant_method": "gptq"}}""", "the weights are quantised")]
    [InlineData("""{"hidden_size": null}""", "hidden_size is missing")]
    [InlineData("""{"hidden_size": "64"}""", "hidden_size must be a whole number")]
    [InlineData("""{"hidden_size": 64.5}""", "hidden_size must be a whole number")]
    [InlineData("""{"hidden_size": 0}""", "hidden_size must be at least 1")]
    [InlineData("""{"hidden_size": 2000000000}""", "hidden_size makes a dimension of 2000000000, but the checkpoint holds 1000000 numbers")]
    [InlineData("""{"num_hidden_layers": 2000000000}""", "num_hidden_layers is 2000000000, but the checkpoint holds 100 tensors")]
    [InlineData("""{"num_attention_heads": 7}""", "7 heads do not divide a hidden size of 64")]
    [InlineData("""{"num_key_value_heads": 3}""", "3 key and value heads do not divide 4 heads")]
    [InlineData("""{"head_dim": 5}""", "5 rotating columns of a head must be an even number")]
    [InlineData("""{"head_dim": 999998}""", "the number of heads makes a dimension")]
    [InlineData("""{"head_dim": 16384}""", "makes heads of 16384 numbers; at most 8192 are supported")]
    [InlineData("""{"hidden_act": "quick_gelu"}""", "the activation quick_gelu is not known")]
    [InlineData("""{"rms_norm_eps": 1e999}""", "rms_norm_eps must be a number")]
    [InlineData("""{"attention_bias": 1}""", "attention_bias must be true or false")]
    [InlineData("""{"rope_scaling": [1]}""", "rope_scaling must be an object")]
    [InlineData("""{"rope_scaling": {"rope_type": "linear"}}""", "rope_scaling.factor is missing")]
    [InlineData("""{"rope_scaling": {"rope_type": "linear", "factor": 0}}""", "rope_scaling.factor must be above 0")]
    [InlineData("""{"rope_scaling": {"rope_type": "yarn", "factor": 2}, "rope_theta": 1}""", "frequencies that are no numbers")]
    [InlineData("""{"rope_theta": -1}""", "rope_theta must be above 0")]
    [InlineData("""{"partial_rotary_factor": 1.5}""", "partial_rotary_factor must be above 0 and at most 1")]
    public void A_configuration_that_cannot_be_is_refused(string fields, string problem) => Assert.Contains(problem, Refusal(fields));

    [Fact]
    public void A_name_that_is_no_Unicode_is_refused()
    {
        ConfigFields fields = ConfigFields.Parse("config.json", """{"\ud800 and more": 1, "hidden_size": 64}"""u8.ToArray());
        Assert.Contains("config.json: holds a name that is no valid Unicode", Assert.Throws<SteerException>(() => fields.Has("num_layers")).Message);
    }

    [Theory]
    [InlineData("OPTForCausalLM", """{"ffn_dim": 8, "do_layer_norm_before": false}""", "do_layer_norm_before is false (opt-350m)")]
    [InlineData("OPTForCausalLM", """{"ffn_dim": 8, "word_embed_proj_dim": 8}""", "word_embed_proj_dim differs from hidden_size")]
    [InlineData("BloomForCausalLM", """{"n_layer": 1, "n_head": 2, "apply_residual_connection_post_layernorm": true}""", "apply_residual_connection_post_layernorm is true")]
    [InlineData("Gemma3ForCausalLM", """{"use_bidirectional_attention": true}""", "use_bidirectional_attention is true")]
    [InlineData("GPTJForCausalLM", """{"n_embd": 64, "n_head": 4, "n_layer": 1, "n_positions": 8}""", "rotary_dim is 64, more than the 16 columns of a head")]
    [InlineData("GPTNeoForCausalLM", """{"num_heads": 4, "num_layers": 2, "attention_types": [[["global"], 1]]}""", "must name global or local for each of 2 layers")]
    [InlineData("GPTNeoForCausalLM", """{"num_heads": 4, "num_layers": 2, "attention_types": [[["global"], 2000000000]]}""", "must name global or local for each of 2 layers")]
    [InlineData("MixtralForCausalLM", """{"num_local_experts": 2, "num_experts_per_tok": 3}""", "num_experts_per_tok is 3, more than the 2 experts")]
    [InlineData("Gemma2ForCausalLM", """{"layer_types": ["full_attention"]}""", "layer_types has 1 entries for 4 layers")]
    [InlineData("Qwen2ForCausalLM", """{"layer_types": ["full_attention", "full_attention", "full_attention", "linear_attention"]}""", "layer_types names linear_attention")]
    public void A_variant_of_a_family_that_is_not_supported_is_refused(string architecture, string fields, string problem) =>
        Assert.Contains(problem, Assert.Throws<SteerException>(() => Plan(architecture, fields)).Message);

    private static DecoderConfig Llama(string fields) => Plan("LlamaForCausalLM", fields).Config;

    private static string Refusal(string fields) => Assert.Throws<SteerException>(() => Llama(fields)).Message;

    private static void AssertRope(string fields, double scale, double[] expected)
    {
        RopeConfig rope = Llama(fields).Ropes[0];
        AssertClose(expected, rope.InverseFrequencies);
        AssertClose([scale], [rope.Scale]);
    }

    private static void AssertClose(double[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(actual[i] - expected[i]) <= Relative * expected[i], $"{i}: {actual[i]:R} where {expected[i]:R} is expected");
    }

    // A plan from the fields of a small model with some of them replaced.
    private static ModelPlan Plan(string architecture, params string[] changes)
    {
        var fields = new Dictionary<string, string>
        {
            ["architectures"] = $"[\"{architecture}\"]", ["vocab_size"] = "100", ["hidden_size"] = "64", ["intermediate_size"] = "96",
            ["num_hidden_layers"] = "4", ["num_attention_heads"] = "4", ["max_position_embeddings"] = "256",
        };
        foreach (string change in changes)
        {
            using var document = System.Text.Json.JsonDocument.Parse(change);
            foreach (System.Text.Json.JsonProperty property in document.RootElement.EnumerateObject())
                fields[property.Name] = property.Value.GetRawText();
        }

        string json = $"{{{string.Join(", ", fields.Select(f => $"\"{f.Key}\": {f.Value}"))}}}";
        return FamilyTable.Plan(ConfigFields.Parse("config.json", Encoding.UTF8.GetBytes(json)).WithLimits(1_000_000, 100));
    }
}
