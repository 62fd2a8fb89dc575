using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Models;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>Opening folders: what is read beside the weights, which layouts are taken, and how damage is told of.</summary>
public sealed class CheckpointTests : IDisposable
{
    private const string Index = "model.safetensors.index.json";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_small_model_opens()
    {
        TinyModel.Write(_folder);
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal("LlamaForCausalLM", checkpoint.Config.Architecture);
        Assert.Equal(TinyModel.Tensors.Sum(t => t.Count), checkpoint.ParameterCount);
        Assert.Equal("f32", checkpoint.StoredType);
        Assert.Same(checkpoint.Tensors.Embedding, checkpoint.Tensors.LmHead);
        Assert.Equal([9], checkpoint.EosIds);
        Assert.Equal(0, checkpoint.BosId);
        LinearTensors qkv = checkpoint.Tensors.Layers[1].Qkv;
        Assert.Equal(["model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.k_proj", "model.layers.1.self_attn.v_proj"], qkv.Parts.Select(p => p.Module));
        var row = new float[8];
        qkv.Parts[1].Weight.ReadRow(2, row);
        Assert.Equal(TinyModel.Numbers("model.layers.1.self_attn.k_proj.weight", 32)[16..24], row);
        Assert.Equal(TinyModel.Numbers("model.layers.1.self_attn.k_proj.bias", 4), qkv.Parts[1].Bias);
    }

    [Fact]
    public void The_stored_type_is_that_of_most_numbers_and_each_projection_is_held_as_it_is_stored()
    {
        static bool Wide(string name) => name.Contains("norm") || name.Contains("down_proj") || name.Contains("k_proj");
        TinyModel.Write(_folder, tensors: TinyModel.Tensors.OrderBy(t => Wide(t.Name) ? 0 : 1)
            .Select(t => t with { Type = Wide(t.Name) ? DType.F32 : DType.BF16 }));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal("bf16", checkpoint.StoredType);
        LayerTensors layer = checkpoint.Tensors.Layers[0];
        Assert.Equal(
            [DType.BF16, DType.BF16, DType.F32, DType.F32],
            new[] { checkpoint.Tensors.Embedding, layer.Output, layer.Down!, layer.Qkv }.Select(l => l.DefaultType));

        using var device = new Steer.Kernels.Host.HostDevice();
        using var store = new WeightStore(device, stored => stored);
        DecoderWeights weights = store.Load(checkpoint.Tensors, null, _folder.Path);
        Assert.Equal([DType.BF16, DType.F32], new[] { weights.Layers[0].Output, weights.Layers[0].Down! }.Select(l => l.Weight.Type));
    }

    [Fact]
    public void Generation_defaults_and_end_tokens_come_from_generation_config()
    {
        TinyModel.Write(_folder);
        _folder.Write("generation_config.json",
            """{"eos_token_id": [7, 9], "bos_token_id": 3, "do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": null}""");
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal([7, 9], checkpoint.EosIds);
        Assert.Equal(3, checkpoint.BosId);
    }

    [Fact]
    public void Names_without_the_models_prefix_are_found_and_keep_their_full_name()
    {
        TinyModel.Write(_folder, tensors: TinyModel.Tensors.Select(t => t with { Name = t.Name["model.".Length..] }));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal("model.layers.0.self_attn.o_proj", checkpoint.Tensors.Layers[0].Output.Parts[0].Module);
    }

    [Fact]
    public void Buffers_and_a_second_copy_of_a_tied_head_are_left_aside()
    {
        TinyModel.Write(_folder, tensors: [.. TinyModel.Tensors, new("lm_head.weight", DType.F32, 10, 8),
            new("model.layers.0.self_attn.rotary_emb.inv_freq", DType.F32, 2)]);
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Same(checkpoint.Tensors.Embedding, checkpoint.Tensors.LmHead);
        Assert.Equal(TinyModel.Tensors.Sum(t => t.Count), checkpoint.ParameterCount);
    }

    [Fact]
    public void A_head_that_is_neither_stored_nor_tied_is_missed()
    {
        TinyModel.Write(_folder, TinyModel.Config.Replace("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false"));
        AssertRefused(_folder.Path, "tensor lm_head.weight is missing");
    }

    [Fact]
    public void Tensors_that_do_not_fit_the_configuration_are_named()
    {
        const string Gate = "model.layers.1.mlp.gate_proj.weight";
        TinyModel.Write(_folder, tensors: TinyModel.Tensors.Where(t => t.Name != Gate));
        AssertRefused(_folder.Path, $"tensor {Gate} is missing");

        TinyModel.Write(_folder, tensors: TinyModel.Tensors.Select(t => t.Name == Gate ? t with { Shape = [8, 12] } : t));
        AssertRefused(_folder.File("model.safetensors"), $"tensor {Gate} has shape [8, 12] where [12, 8] is expected");

        TinyModel.Write(_folder, tensors: [.. TinyModel.Tensors, new("model.layers.0.self_attn.q_norm.weight", DType.F32, 4)]);
        AssertRefused(_folder.File("model.safetensors"), "tensor model.layers.0.self_attn.q_norm.weight and 0 others have no place in LlamaForCausalLM");
    }

    [Fact]
    public void Weights_of_a_type_that_is_none_and_norms_that_are_no_numbers_are_named()
    {
        _folder.Write("config.json", TinyModel.Config.Replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"));
        _folder.WriteSafetensors("model.safetensors", """{"model.embed_tokens.weight":{"dtype":"I8","shape":[10,8],"data_offsets":[0,80]}}""", 80);
        AssertRefused(_folder.File("model.safetensors"), "tensor model.embed_tokens.weight is stored as I8; convert the checkpoint");

        TinyModel.Write(_folder);
        using (SafetensorsFile file = SafetensorsFile.Open(_folder.File("model.safetensors")))
            Assert.Equal("model.norm.weight", file.Names.ElementAt(1));
        byte[] bytes = File.ReadAllBytes(_folder.File("model.safetensors"));
        int data = 8 + BitConverter.ToInt32(bytes);
        BitConverter.TryWriteBytes(bytes.AsSpan(data + 10 * 8 * 4), float.NaN);
        _folder.Write("model.safetensors", bytes);
        AssertRefused(_folder.File("model.safetensors"), "tensor model.norm.weight holds NaN or infinity");
    }

    [Fact]
    public void A_configuration_without_architectures_is_known_by_its_model_type()
    {
        TinyModel.Write(_folder, TinyModel.Config.Replace("\"architectures\": [\"LlamaForCausalLM\"], ", ""));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal("LlamaForCausalLM", checkpoint.Config.Architecture);
    }

    [Fact]
    public void The_embedded_pair_opens_and_its_experts_share_the_base()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Path.Combine(GoldenFiles.Weights, "base"));
        Assert.Equal("bf16", checkpoint.StoredType);
        foreach (string name in (string[])["astronomy", "comments", "commonsense"])
        {
            using Adapter adapter = Adapter.Open(Path.Combine(GoldenFiles.Weights, "experts", name), checkpoint);
            Assert.Same(checkpoint.Tensors, adapter.Tensors);
            Assert.NotNull(adapter.SegmentsFor(checkpoint.Tensors.Layers[0].Qkv));
        }

        using Checkpoint full = Checkpoint.Open(Path.Combine(GoldenFiles.Weights, "experts", "astronomy-full"));
        Assert.True(full.Config.SameShape(checkpoint.Config));
    }

    [Fact]
    public void Shards_are_read_as_their_index_says()
    {
        WriteShards();
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal(TinyModel.Tensors.Sum(t => t.Count), checkpoint.ParameterCount);
    }

    [Theory]
    [InlineData("two.safetensors", "gone.safetensors", "gone.safetensors: no such file")]
    [InlineData("two.safetensors", "../two.safetensors", "no safetensors file beside it")]
    [InlineData("two.safetensors", "/etc/two.safetensors", "no safetensors file beside it")]
    [InlineData("two.safetensors", "..\\\\two.safetensors", "no safetensors file beside it")]
    [InlineData("two.safetensors", "config.json", "no safetensors file beside it")]
    [InlineData("\"two.safetensors\"", "7", "must be a text")]
    [InlineData("model.norm.weight", "model.other.weight", "says that tensor model.other.weight lies in", "does not hold it")]
    [InlineData("model.norm.weight", "model.embed_tokens.weight", "embed_tokens.weight")]
    [InlineData("weight_map", "weights", "lacks weight_map")]
    public void An_index_that_lies_is_refused(string good, string bad, params string[] problems)
    {
        WriteShards();
        _folder.Write(Index, File.ReadAllText(_folder.File(Index)).Replace(good, bad));
        var error = Assert.Throws<SteerException>(() => Checkpoint.Open(_folder.Path).Dispose());
        Assert.All(problems, problem => Assert.Contains(problem, error.Message));
        Assert.StartsWith(_folder.Path, error.Message);
    }

    [Fact]
    public void Folders_that_hold_no_model_are_told_apart()
    {
        AssertRefused(_folder.File("nothing"), _folder.File("nothing"), "no such file; check the path");
        AssertRefused(_folder.Path, "holds neither config.json, as a whole model does, nor adapter_config.json, as the adapter of an expert does; check the path");
        _folder.Write("config.json", TinyModel.Config);
        AssertRefused(_folder.Path, "holds neither model.safetensors nor model.safetensors.index.json; save the model with safe_serialization=True");
        string weights = _folder.Write("model.safetensors", "x");
        AssertRefused(weights, weights, "give the folder that holds both");
        _folder.Write("config.json", "{");
        AssertRefused(_folder.File("config.json"), "is no valid JSON (line 1, byte 2); copy");
        _folder.Write("config.json", "[]");
        AssertRefused(_folder.File("config.json"), "must hold one JSON object");
        File.Delete(_folder.File("config.json"));
        _folder.Write("adapter_config.json", "{}");
        AssertRefused(_folder.Path, "is an adapter, not a whole model; give it as the expert");
    }

    [Theory]
    [InlineData(70, 37, 0)]
    [InlineData(37, 70, 5)]
    [InlineData(16, 3, 2)]
    public void A_transposed_matrix_gives_its_columns_in_any_order(int rows, int columns, int seed)
    {
        TinyModel.WriteTensors(_folder.File("m.safetensors"), [new("m", DType.F32, columns, rows)]);
        float[] stored = TinyModel.Numbers("m", rows * columns);
        using SafetensorsFile file = SafetensorsFile.Open(_folder.File("m.safetensors"));
        var matrix = new TransposedMatrix(file.Tensor("m"), rows, columns);
        var random = new Random(seed);
        int[] order = [.. Enumerable.Range(0, rows)];
        if (seed > 0)
            random.Shuffle(order);
        Parallel.ForEach(order, () => new float[columns], (r, _, buffer) =>
        {
            matrix.ReadRow(r, buffer);
            Assert.Equal(Enumerable.Range(0, columns).Select(c => stored[c * rows + r]), buffer);
            return buffer;
        }, _ => { });
    }

    private void WriteShards()
    {
        TensorDeclaration[] all = [.. TinyModel.Tensors];
        _folder.Write("config.json", TinyModel.Config);
        TinyModel.WriteTensors(_folder.File("one.safetensors"), all.Where(t => t.Name != "model.norm.weight"));
        TinyModel.WriteTensors(_folder.File("two.safetensors"), all.Where(t => t.Name == "model.norm.weight"));
        string map = string.Join(", ", all.Select(t => $"\"{t.Name}\": \"{(t.Name == "model.norm.weight" ? "two" : "one")}.safetensors\""));
        _folder.Write(Index, $$"""{"metadata": {"total_size": 1}, "weight_map": { {{map}} } }""");
    }

    private void AssertRefused(string namedFile, string problem) => AssertRefused(_folder.Path, namedFile, problem);

    private static void AssertRefused(string opened, string namedFile, string problem)
    {
        var error = Assert.Throws<SteerException>(() => Checkpoint.Open(opened).Dispose());
        Assert.StartsWith($"{namedFile}: ", error.Message);
        Assert.Contains(problem, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }
}
