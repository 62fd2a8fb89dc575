using System.Text;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>What an adapter becomes, and which are refused. Their logits are held against peft's in <see cref="MappingTests"/>.</summary>
public sealed class AdapterTests : IDisposable
{
    private const string Query = "model.layers.0.self_attn.q_proj";
    private const string Value = "model.layers.0.self_attn.v_proj";

    private readonly TempFolder _base = new();
    private readonly TempFolder _folder = new();
    private readonly Checkpoint _checkpoint;

    public AdapterTests()
    {
        TinyModel.Write(_base);
        _checkpoint = Checkpoint.Open(_base.Path);
    }

    public void Dispose()
    {
        _checkpoint.Dispose();
        _base.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_change_of_one_module_is_a_segment_of_the_projection_that_holds_it()
    {
        using Adapter adapter = Open("""{"r": 2, "lora_alpha": 6, "target_modules": ["layers.0.self_attn.v_proj"]}""", Lora(Value, 4, 8, 2));
        Assert.Same(_checkpoint.Tensors, adapter.Tensors);
        Assert.Null(adapter.SegmentsFor(_checkpoint.Tensors.Layers[0].Output));
        LoraSegment segment = Assert.Single(adapter.SegmentsFor(_checkpoint.Tensors.Layers[0].Qkv)!);
        Assert.Equal((12, 4), (segment.ColumnStart, segment.Columns)); // 8 query and 4 key rows before it.
        Assert.Equal(TinyModel.Numbers($"base_model.model.{Value}.lora_A.weight", 16)[8..], Row(segment.A!, 1));
        Assert.Equal(TinyModel.Numbers($"base_model.model.{Value}.lora_B.weight", 8)[6..].Select(x => 3 * x), Row(segment.B!, 3));
        Assert.Null(segment.ColumnScale);
        Assert.Null(segment.ColumnBias);
        Assert.Equal([Value], adapter.Modules);
        Assert.Equal([2], adapter.Ranks);
        Assert.Equal(24, adapter.ParameterCount);
    }

    [Theory]
    [InlineData("base_model.model.{0}.lora_A.weight", "base_model.model.{0}.lora_B.weight")]
    [InlineData("base_model.model.{0}.lora_A.default.weight", "base_model.model.{0}.lora_B.default.weight")]
    [InlineData("{0}.lora_A.weight", "{0}.lora_B.weight")]
    public void Names_of_several_versions_of_peft_are_read(string a, string b)
    {
        using Adapter adapter = Open("""{"r": 2, "target_modules": "model.layers.0.self_attn.v_proj"}""",
            [new(string.Format(null, a, Value), DType.F32, 2, 8), new(string.Format(null, b, Value), DType.F32, 4, 2)]);
        Assert.Equal([Value], adapter.Modules);
    }

    [Fact]
    public void A_new_bias_is_a_difference_and_the_packed_weight_stays_shared()
    {
        string config = """{"r": 2, "bias": "all", "target_modules": ["layers.0.self_attn.v_proj"]}""";
        using Adapter adapter = Open(config, [.. Lora(Value, 4, 8, 2), new($"base_model.model.{Query}.bias", DType.F32, 8),
            new($"base_model.model.{Value}.base_layer.bias", DType.F32, 4)]);
        Assert.Same(_checkpoint.Tensors, adapter.Tensors);
        IReadOnlyList<LoraSegment> segments = adapter.SegmentsFor(_checkpoint.Tensors.Layers[0].Qkv)!;
        Assert.Equal([(0, 8), (12, 4)], segments.Select(s => (s.ColumnStart, s.Columns)));
        Assert.Null(segments[0].A);
        float[] before = TinyModel.Numbers($"{Query}.bias", 8), after = TinyModel.Numbers($"base_model.model.{Query}.bias", 8);
        Assert.Equal(after.Zip(before, (x, y) => x - y), segments[0].ColumnBias);
    }

    [Fact]
    public void A_bias_of_lora_B_is_scaled_and_added()
    {
        using Adapter adapter = Open("""{"r": 2, "lora_alpha": 4, "lora_bias": true, "target_modules": ["layers.0.self_attn.v_proj"]}""",
            [.. Lora(Value, 4, 8, 2), new($"base_model.model.{Value}.lora_B.bias", DType.F32, 4)]);
        float[] bias = TinyModel.Numbers($"{Value}.bias", 4), added = TinyModel.Numbers($"base_model.model.{Value}.lora_B.bias", 4);
        Assert.Equal(bias.Zip(added, (b, x) => b + 2 * x - b), Assert.Single(adapter.SegmentsFor(_checkpoint.Tensors.Layers[0].Qkv)!).ColumnBias);
    }

    [Fact]
    public void Dora_scales_columns_to_their_magnitudes_and_leaves_the_bias_alone()
    {
        using Adapter adapter = Open("""{"r": 2, "lora_alpha": 4, "use_dora": true, "target_modules": ["layers.0.self_attn.v_proj"]}""",
            [.. Lora(Value, 4, 8, 2), new($"base_model.model.{Value}.lora_magnitude_vector", DType.F32, 4)]);
        LoraSegment segment = Assert.Single(adapter.SegmentsFor(_checkpoint.Tensors.Layers[0].Qkv)!);

        float[] w = TinyModel.Numbers($"{Value}.weight", 32), bias = TinyModel.Numbers($"{Value}.bias", 4);
        float[] a = TinyModel.Numbers($"base_model.model.{Value}.lora_A.weight", 16), b = TinyModel.Numbers($"base_model.model.{Value}.lora_B.weight", 8);
        float[] magnitude = TinyModel.Numbers($"base_model.model.{Value}.lora_magnitude_vector", 4);
        for (int i = 0; i < 4; i++)
        {
            double norm = Math.Sqrt(Enumerable.Range(0, 8).Sum(k => Math.Pow(w[i * 8 + k] + 2.0 * (b[i * 2] * (double)a[k] + b[i * 2 + 1] * (double)a[8 + k]), 2)));
            double scale = magnitude[i] / norm;
            // Sums of 8 products in float32.
            Assert.Equal(scale, segment.ColumnScale![i], 1e-5 * Math.Abs(scale));
            Assert.Equal((1 - scale) * bias[i], segment.ColumnBias![i], 1e-5 * (1 + Math.Abs(scale)));
            Assert.Equal(2 * scale * b[i * 2], Row(segment.B!, i)[0], 1e-5 * (1 + Math.Abs(scale)));
        }
    }

    [Fact]
    public void Modules_that_are_saved_whole_are_new_and_all_others_the_same()
    {
        using Adapter adapter = Open("""{"r": 2, "target_modules": ["layers.0.self_attn.v_proj"], "modules_to_save": ["lm_head", "layers.1.mlp.up_proj", "norm"]}""",
            [.. Lora(Value, 4, 8, 2), new("base_model.model.lm_head.weight", DType.F32, 10, 8), new("base_model.model.model.norm.weight", DType.F32, 8),
             new("base_model.model.model.layers.1.mlp.up_proj.modules_to_save.weight", DType.F32, 12, 8)]);
        DecoderTensors before = _checkpoint.Tensors, after = adapter.Tensors;
        Assert.Same(before.Embedding, after.Embedding);
        Assert.NotSame(after.Embedding, after.LmHead);
        Assert.Equal(TinyModel.Numbers("base_model.model.lm_head.weight", 80)[..8], Row(after.LmHead.Parts[0].Weight, 0));
        Assert.Equal(TinyModel.Numbers("base_model.model.model.norm.weight", 8), after.FinalNorm!.Weight);
        Assert.NotSame(before.Layers[1].Up, after.Layers[1].Up);
        Assert.Same(before.Layers[0].Up, after.Layers[0].Up);
        Assert.Same(before.Layers[1].Qkv, after.Layers[1].Qkv);
        Assert.NotNull(adapter.SegmentsFor(after.Layers[0].Qkv));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_new_embedding_takes_a_tied_head_along_only_where_that_is_asked_for(bool keepsTied)
    {
        using Adapter adapter = Open(
            $$"""{"r": 2, "target_modules": [], "modules_to_save": ["embed_tokens"], "ensure_weight_tying": {{(keepsTied ? "true" : "false")}}}""",
            [new("base_model.model.model.embed_tokens.weight", DType.F32, 10, 8)]);
        Assert.NotSame(_checkpoint.Tensors.Embedding, adapter.Tensors.Embedding);
        Assert.Same(keepsTied ? adapter.Tensors.Embedding : _checkpoint.Tensors.Embedding, adapter.Tensors.LmHead);
    }

    [Fact]
    public void A_head_that_peft_saved_unchanged_beside_its_adapter_stays_tied()
    {
        _folder.Write("adapter_config.json", """{"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": ["lm_head"]}""");
        TensorDeclaration[] tensors = [.. Lora("lm_head", 10, 8, 2), new("base_model.model.lm_head.base_layer.weight", DType.F32, 10, 8)];
        using (SafetensorsWriter writer = SafetensorsWriter.Create(_folder.File("adapter_model.safetensors"), tensors))
        {
            writer.Write(new float[2 * 8 + 10 * 2]);
            writer.Write(TinyModel.Numbers("model.embed_tokens.weight", 80));
            writer.Finish();
        }

        using Adapter adapter = Adapter.Open(_folder.Path, _checkpoint);
        Assert.Same(_checkpoint.Tensors, adapter.Tensors);
        Assert.Single(adapter.SegmentsFor(adapter.Tensors.LmHead)!);
    }

    [Theory]
    // Patterns of peft match a whole name, or what follows a dot in it; the first that matches wins; a dot is any character.
    [InlineData("model.layers.0.self_attn.q_proj", 16, 32)]
    [InlineData("model.layers.1.self_attn.q_proj", 4, 1)]
    [InlineData("model.layers.1.self_attn.k_proj", 8, 7)]
    [InlineData("model.layers.10.mlp.up_proj", 3, 7)]
    [InlineData("model.layers.1.mlp.xup_proj", 8, 7)]
    [InlineData("lm_head", 5, 7)]
    public void Ranks_and_alphas_follow_their_patterns(string module, int rank, double alpha)
    {
        _folder.Write("adapter_config.json", """
            {"peft_type": "LORA", "r": 8, "lora_alpha": 7, "rank_pattern": {"layers.0.self_attn.q_proj": 16, "q_proj": 4, "up_proj": 3, "lm.head": 5},
             "alpha_pattern": {"layers\\.0\\..*q_proj": 32, "(q|z)_proj": 1}}
            """);
        (int Rank, double Scale) actual = AdapterConfig.Read(_folder.File("adapter_config.json")).For(module);
        Assert.Equal(rank, actual.Rank);
        Assert.Equal(alpha / rank, actual.Scale, 1e-12);
    }

    [Theory]
    [InlineData("""{"target_modules": ["q_proj"]}""", "model.layers.3.self_attn.q_proj", true)]
    [InlineData("""{"target_modules": ["proj"]}""", "model.layers.3.self_attn.q_proj", false)]
    [InlineData("""{"target_modules": ["lm_head"]}""", "lm_head", true)]
    [InlineData("""{"target_modules": ["q_proj"], "exclude_modules": ["layers.3.self_attn.q_proj"]}""", "model.layers.3.self_attn.q_proj", false)]
    [InlineData("""{"target_modules": ["q_proj"], "exclude_modules": ".*3.*"}""", "model.layers.3.self_attn.q_proj", false)]
    [InlineData("""{"target_modules": ["q_proj"], "exclude_modules": "3"}""", "model.layers.3.self_attn.q_proj", true)]
    [InlineData("""{"target_modules": ["q_proj"], "modules_to_save": ["self_attn"]}""", "model.layers.3.self_attn.q_proj", false)]
    [InlineData("""{"target_modules": ".*q_proj"}""", "model.layers.3.self_attn.q_proj", true)]
    [InlineData("""{"target_modules": "q_proj"}""", "model.layers.3.self_attn.q_proj", false)]
    [InlineData("""{"target_modules": "^(?!.*layers\\.3\\.).*q_proj$"}""", "model.layers.3.self_attn.q_proj", false)]
    [InlineData("""{"target_modules": "^(?!.*layers\\.3\\.).*q_proj$"}""", "model.layers.2.self_attn.q_proj", true)]
    [InlineData("""{"target_modules": ["q_proj"], "layers_to_transform": [1, 3]}""", "model.layers.3.self_attn.q_proj", true)]
    [InlineData("""{"target_modules": ["q_proj"], "layers_to_transform": 1}""", "model.layers.3.self_attn.q_proj", false)]
    [InlineData("""{"target_modules": ["q_proj"], "layers_to_transform": [3], "layers_pattern": "h"}""", "model.layers.3.self_attn.q_proj", false)]
    [InlineData("""{"target_modules": ["q_proj"], "layers_to_transform": [3], "layers_pattern": ["h", "layers"]}""", "model.layers.3.self_attn.q_proj", true)]
    [InlineData("""{"target_modules": ["model.layers.3.self_attn.q_proj"], "layers_to_transform": [1]}""", "model.layers.3.self_attn.q_proj", true)]
    [InlineData("""{"target_modules": "all-linear"}""", "model.layers.3.self_attn.q_proj", true)]
    [InlineData("""{"target_modules": "All-Linear"}""", "model.layers.3.self_attn.q_proj", true)]
    public void Targets_follow_the_rules_of_peft(string config, string module, bool isTarget)
    {
        ConfigFields fields = ConfigFields.Parse("adapter_config.json", Encoding.UTF8.GetBytes(config));
        Assert.Equal(isTarget, AdapterTargets.Read(fields, new PatternContext(fields)).Contain(module, ModuleRole.Projection));
    }

    [Fact]
    public void All_linear_leaves_the_head_out()
    {
        ConfigFields fields = ConfigFields.Parse("adapter_config.json", """{"target_modules": "all-linear"}"""u8.ToArray());
        Assert.False(AdapterTargets.Read(fields, new PatternContext(fields)).Contain("lm_head", ModuleRole.Head));
    }

    [Theory]
    [InlineData("""{"peft_type": "IA3"}""", "peft_type is IA3; only LORA adapters can be loaded")]
    [InlineData("""{"peft_type": null}""", "peft_type is (none)")]
    [InlineData("""{"init_lora_weights": "pissa_niter_4"}""", "init_lora_weights is pissa_niter_4, which changes the base model too")]
    [InlineData("""{"use_qalora": true}""", "use_qalora is set, which is not supported")]
    [InlineData("""{"layer_replication": [[0, 2]]}""", "layer_replication is set")]
    [InlineData("""{"trainable_token_indices": {"embed_tokens": [1]}}""", "trainable_token_indices is set")]
    [InlineData("""{"target_parameters": ["experts.gate_up_proj"]}""", "target_parameters is set")]
    [InlineData("""{"r": 0}""", "r must be at least 1")]
    [InlineData("""{"r": null}""", "r is missing")]
    [InlineData("""{"r": 8193}""", "gives model.layers.0.self_attn.v_proj the rank 8193; at most 8192 is supported")]
    [InlineData("""{"rank_pattern": {"v_proj": 2.5}}""", "rank_pattern must give whole numbers")]
    [InlineData("""{"rank_pattern": {"v_proj": "a"}}""", "rank_pattern.v_proj must be a number")]
    [InlineData("""{"bias": "some"}""", "bias is some; known are none, lora_only and all")]
    [InlineData("""{"use_dora": true, "lora_bias": true}""", "lora_bias is set together with use_dora")]
    [InlineData("""{"target_modules": "("}""", "which is no pattern that can be read")]
    [InlineData("""{"target_modules": "(?=.)((.+)+)+!"}""", "holds a pattern that takes too long")]
    [InlineData("""{"target_modules": ["q_proj", "layers.0.self_attn.v_proj"]}""", "target_modules names model.layers.0.self_attn.q_proj of the base", "has no tensors for it; the adapter was made for the/right/base")]
    [InlineData("""{"target_modules": ["embed_tokens"]}""", "adapts model.layers.0.self_attn.v_proj, which", "does not name in target_modules")]
    [InlineData("""{"target_modules": ["embed_tokens", "layers.0.self_attn.v_proj"]}""", "target_modules names model.embed_tokens, an embedding, which is not supported")]
    [InlineData("""{"modules_to_save": ["score"]}""", "modules_to_save names score, but")]
    [InlineData("""{"r": 4}""", "lora_A.weight has shape [2, 8] where [4, 8] fits model.layers.0.self_attn.v_proj of the base", "give that base")]
    [InlineData("""{"use_dora": true}""", "lora_magnitude_vector of model.layers.0.self_attn.v_proj is missing")]
    [InlineData("""{"lora_bias": true}""", "lora_B.bias of model.layers.0.self_attn.v_proj is missing")]
    public void A_configuration_that_cannot_be_loaded_is_refused(string change, params string[] problems)
    {
        var fields = new Dictionary<string, string> { ["r"] = "2", ["target_modules"] = """["layers.0.self_attn.v_proj"]""" };
        using var document = System.Text.Json.JsonDocument.Parse(change);
        foreach (System.Text.Json.JsonProperty property in document.RootElement.EnumerateObject())
            fields[property.Name] = property.Value.GetRawText();
        AssertRefused($"{{{string.Join(", ", fields.Select(f => $"\"{f.Key}\": {f.Value}"))}}}", Lora(Value, 4, 8, 2), problems);
    }

    [Theory]
    [InlineData("base_model.model.model.layers.9.self_attn.v_proj.lora_A.weight", "adapts model.layers.9.self_attn.v_proj, which the base", "does not have; the adapter was made for the/right/base")]
    [InlineData("base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight", "does not name in target_modules")]
    [InlineData("base_model.model.model.embed_tokens.lora_embedding_A", "adapts an embedding, which is not supported")]
    [InlineData("base_model.model.model.layers.0.self_attn.v_proj.lora_diag", "is of the unknown kind lora_diag")]
    [InlineData("base_model.model.model.layers.0.self_attn.v_proj.lora_A.default.weight", "is there twice under two names")]
    [InlineData("base_model.model.model.layers.0.self_attn.v_proj.lora_B.bias", "does not set lora_bias")]
    [InlineData("base_model.model.model.layers.0.self_attn.v_proj.lora_magnitude_vector", "does not set use_dora")]
    [InlineData("base_model.model.score.weight", "stands in for score.weight, which the base", "does not have")]
    [InlineData("base_model.model.model.norm.weight", "names neither in modules_to_save nor by bias")]
    [InlineData("base_model.model.model.layers.0.self_attn.v_proj.base_layer.bias", "names neither in modules_to_save nor by bias")]
    [InlineData("base_model.model.lm_head.weight", "has shape [4] where lm_head.weight of the base", "has [10, 8]")]
    public void A_tensor_too_many_is_refused_by_its_name(string name, params string[] problems) =>
        AssertRefused("""{"r": 2, "target_modules": ["layers.0.self_attn.v_proj"]}""", [.. Lora(Value, 4, 8, 2), new(name, DType.F32, 4)], [name, .. problems]);

    [Theory]
    [InlineData("lora_A")]
    [InlineData("lora_B")]
    public void A_tensor_too_few_is_refused_by_its_name(string missing) => AssertRefused("""{"r": 2, "target_modules": ["layers.0.self_attn.v_proj"]}""",
        Lora(Value, 4, 8, 2).Where(t => !t.Name.Contains(missing)), [$"{missing}.weight of {Value} is missing"]);

    [Fact]
    public void A_folder_without_weights_says_how_to_save_them()
    {
        _folder.Write("adapter_config.json", """{"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"]}""");
        Assert.True(Adapter.IsAdapter(_folder.Path));
        var error = Assert.Throws<SteerException>(() => Adapter.Open(_folder.Path, _checkpoint));
        Assert.Equal($"{_folder.Path}: holds no adapter_model.safetensors; save the adapter with safe_serialization=True.", error.Message);
    }

    private static TensorDeclaration[] Lora(string module, int rows, int columns, int rank) =>
    [
        new($"base_model.model.{module}.lora_A.weight", DType.F32, rank, columns),
        new($"base_model.model.{module}.lora_B.weight", DType.F32, rows, rank),
    ];

    private Adapter Open(string config, IEnumerable<TensorDeclaration> tensors)
    {
        // Where a field is there twice, the last one counts.
        _folder.Write("adapter_config.json", $$"""{"peft_type": "LORA", "base_model_name_or_path": "the/right/base", {{config[1..]}}""");
        TinyModel.WriteTensors(_folder.File("adapter_model.safetensors"), tensors);
        return Adapter.Open(_folder.Path, _checkpoint);
    }

    private void AssertRefused(string config, IEnumerable<TensorDeclaration> tensors, string[] problems)
    {
        var error = Assert.Throws<SteerException>(() => Open(config, tensors).Dispose());
        Assert.StartsWith(_folder.Path, error.Message);
        Assert.DoesNotContain('\n', error.Message);
        Assert.All(problems, problem => Assert.Contains(problem, error.Message));
    }

    private static float[] Row(WeightMatrix matrix, int row)
    {
        var numbers = new float[matrix.Columns];
        matrix.ReadRow(row, numbers);
        return numbers;
    }
}
