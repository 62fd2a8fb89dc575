using System.Runtime.InteropServices;
using System.Text;
using CsCheck;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>
/// Damaged and lying files: whatever the bytes, opening either works or throws a <see cref="SteerException"/> of one line that names a file,
/// and allocates no more than the files' own size warrants. That a test ends at all holds that nothing hangs.
/// </summary>
public sealed class LoaderFuzzTests : IDisposable
{
    private const int Samples = 1500;

    // What a file of n bytes may cost: a name of a header becomes a string of 2 bytes for each of its own, in several lists and dictionaries,
    // beside objects of some 300 bytes for an entry of at least 50; JSON tokens take 12 bytes for at least 2, doubled while they grow. The
    // rest does not depend on the size: streams' buffers, error messages, and the few regular expressions of an adapter.
    private const int BytesPerByte = 32;
    private const int BytesInAll = 256 << 10;

    private static readonly string[] Numbers =
        ["0", "-1", "1", "2", "7", "2147483647", "2147483648", "4294967296", "9223372036854775807", "1e9", "1e308", "0.5", "null", "\"x\"", "[]", "{}", "true"];

    private static readonly byte[] Punctuation = [.. "{}[],:\"\\/.-0129eE "u8];

    // CsCheck runs samples on several threads.
    private readonly ThreadLocal<TempFolder> _folders;
    private Action<TempFolder> _write = _ => { };

    private static readonly Gen<Func<byte[], byte[]>> Mutation = Gen.OneOf(
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Int[0, 7], (at, bit) => On(bytes => bytes[at % bytes.Length] ^= (byte)(1 << bit))),
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Byte, (at, value) => On(bytes => bytes[at % bytes.Length] = value)),
        // The beginning, where lengths and headers are, deserves more than its share.
        Gen.Select(Gen.Int[0, 400], Gen.Byte, (at, value) => On(bytes => bytes[at % bytes.Length] = value)),
        Gen.Select(Gen.Int[0, 400], Gen.OneOf(Punctuation), (at, value) => On(bytes => bytes[at % bytes.Length] = value)),
        Gen.Int[0, 1_000_000].Select(end => (Func<byte[], byte[]>)(bytes => bytes[..(end % (bytes.Length + 1))])),
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Int[0, 64], (at, count) => (Func<byte[], byte[]>)(bytes =>
            [.. bytes[..(at % bytes.Length)], .. bytes[Math.Min(bytes.Length, at % bytes.Length + count)..]])),
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Byte.Array[0, 32], (at, more) => (Func<byte[], byte[]>)(bytes =>
            [.. bytes[..(at % bytes.Length)], .. more, .. bytes[(at % bytes.Length)..]])),
        Gen.Select(Gen.Int[0, 1_000_000], Gen.OneOf(Numbers), ReplaceNumber));

    private static readonly Gen<Func<byte[], byte[]>> Mutations =
        Mutation.Array[1, 3].Select(all => (Func<byte[], byte[]>)(bytes => all.Aggregate(bytes, (b, mutate) => b.Length == 0 ? b : mutate(b))));

    public LoaderFuzzTests() => _folders = new(() =>
    {
        var folder = new TempFolder();
        _write(folder);
        return folder;
    }, trackAllValues: true);

    public void Dispose()
    {
        foreach (TempFolder folder in _folders.Values)
            folder.Dispose();
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    [InlineData("model.safetensors")]
    public void Damaged_models_open_or_are_refused(string file)
    {
        Check(file, ReadAll, folder =>
        {
            TinyModel.Write(folder);
            folder.Write("generation_config.json", """{"eos_token_id": [7, 9], "bos_token_id": 3, "temperature": 0.6, "top_k": 20}""");
        });
    }

    [Theory]
    [InlineData("model.safetensors.index.json")]
    [InlineData("two.safetensors")]
    public void Damaged_shards_open_or_are_refused(string file)
    {
        Check(file, ReadAll, folder =>
        {
            TensorDeclaration[] all = [.. TinyModel.Tensors];
            folder.Write("config.json", TinyModel.Config);
            TinyModel.WriteTensors(folder.File("one.safetensors"), all[..5]);
            TinyModel.WriteTensors(folder.File("two.safetensors"), all[5..]);
            folder.Write("model.safetensors.index.json", $$"""{"weight_map": { {{string.Join(", ",
                all.Select((t, i) => $"\"{t.Name}\": \"{(i < 5 ? "one" : "two")}.safetensors\""))}} } }""");
        });
    }

    [Fact]
    public void Damaged_llama2c_files_open_or_are_refused()
    {
        int[] header = [8, 12, 2, 2, 1, 10, 6];
        byte[] whole = [.. MemoryMarshal.AsBytes(header), .. new byte[4 * (10 * 8 + 2 * (2 * 8 + 2 * 8 * 8 + 2 * 4 * 8 + 3 * 8 * 12) + 8 + 6 * 4)]];
        Check("model.bin", folder => ReadAll(Path.Combine(folder, "model.bin")), folder => folder.Write("model.bin", whole));
    }

    [Fact]
    public void Damaged_GGUF_files_open_or_are_refused()
    {
        var shape = new SyntheticShape("tiny", 32, 1, 2, 1, 64, 259, true);
        Check("model.gguf", ReadAll, folder => SyntheticModel.WriteGguf(folder.File("model.gguf"), shape, GgufType.Q8_0));
    }

    [Fact]
    public void Damaged_GGUF_vocabularies_open_or_are_refused()
    {
        var shape = new SyntheticShape("tiny", 32, 1, 2, 1, 64, 300, true);
        Check(
            "model.gguf",
            folder => Tokenizer.Load(folder).Encode("w300 w265 and <s> more", addSpecialTokens: true),
            folder => SyntheticModel.WriteGguf(folder.File("model.gguf"), shape, GgufType.Q8_0));
    }

    [Theory]
    [InlineData("adapter_config.json")]
    [InlineData("adapter_model.safetensors")]
    public void Damaged_adapters_open_or_are_refused(string file)
    {
        using var baseFolder = new TempFolder();
        TinyModel.Write(baseFolder);
        using Checkpoint checkpoint = Checkpoint.Open(baseFolder.Path);
        Check(file, folder => ReadAdapter(folder, checkpoint), folder =>
        {
            folder.Write("adapter_config.json", """
                {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "lora_only", "use_dora": true, "target_modules": ["q_proj", "down_proj"],
                 "layers_to_transform": [0], "layers_pattern": "layers", "rank_pattern": {"down_.*": 1}, "alpha_pattern": {"layers.0.mlp.down_proj": 3},
                 "modules_to_save": ["lm_head"], "exclude_modules": "o_proj", "fan_in_fan_out": false, "init_lora_weights": true}
                """);
            TinyModel.WriteTensors(folder.File("adapter_model.safetensors"), [.. Module("self_attn.q_proj", 8, 8, 2), .. Module("mlp.down_proj", 8, 12, 1),
                new("base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias", DType.F32, 8), new("base_model.model.lm_head.weight", DType.F32, 10, 8)]);
        });

        static TensorDeclaration[] Module(string name, int rows, int columns, int rank) =>
        [
            new($"base_model.model.model.layers.0.{name}.lora_A.weight", DType.F32, rank, columns),
            new($"base_model.model.model.layers.0.{name}.lora_B.weight", DType.F32, rows, rank),
            new($"base_model.model.model.layers.0.{name}.lora_magnitude_vector", DType.F32, rows),
        ];
    }

    [Fact]
    public void Damaged_GGUF_adapters_open_or_are_refused()
    {
        using var baseFolder = new TempFolder();
        TinyModel.Write(baseFolder);
        using Checkpoint checkpoint = Checkpoint.Open(baseFolder.Path);
        Check("adapter.gguf", folder => ReadAdapter(folder, checkpoint), folder =>
        {
            var metadata = new Dictionary<string, object>
            {
                ["general.type"] = "adapter", ["adapter.type"] = "lora", ["general.architecture"] = "llama", ["adapter.lora.alpha"] = 4f,
            };
            GgufDeclaration[] tensors =
            [
                new("blk.0.attn_q.weight.lora_a", GgufType.F32, 2, 8), new("blk.0.attn_q.weight.lora_b", GgufType.F32, 8, 2),
                new("blk.1.ffn_down.weight.lora_a", GgufType.F32, 1, 12), new("blk.1.ffn_down.weight.lora_b", GgufType.F32, 8, 1),
            ];
            using GgufWriter writer = GgufWriter.Create(folder.File("adapter.gguf"), metadata, tensors);
            foreach (GgufDeclaration tensor in tensors)
                writer.Write(new float[tensor.Shape[0] * tensor.Shape[1]]);
            writer.Finish();
        });
    }

    [Fact]
    public void Configurations_of_every_family_plan_or_are_refused()
    {
        string[] names =
        [
            "vocab_size", "hidden_size", "n_embd", "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "num_hidden_layers", "n_layer", "num_layers",
            "num_attention_heads", "n_head", "num_heads", "num_key_value_heads", "num_kv_heads", "head_dim", "max_position_embeddings", "n_positions", "rotary_dim",
            "rotary_pct", "partial_rotary_factor", "rope_theta", "rope_scaling", "rope_parameters", "sliding_window", "layer_types", "no_rope_layers", "hidden_act",
            "query_pre_attn_scalar", "logits_scaling", "attention_types", "num_local_experts", "num_experts", "num_experts_per_tok", "moe_intermediate_size",
            "mlp_only_layers", "decoder_sparse_step", "multi_query", "alibi", "new_decoder_architecture", "use_sliding_window", "max_window_layers",
            "sliding_window_pattern", "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "tie_word_embeddings", "attention_bias",
        ];
        string[] values =
        [
            .. Numbers, "4", "8", "16", "64", "256", "9999", "10000", "false", "1e-5", "0.25", "\"gelu\"", "[1, 0, 2]", "[[[\"global\", \"local\"], 2]]",
            "[\"full_attention\", \"sliding_attention\"]", """{"rope_type": "yarn", "factor": 4}""", """{"type": "linear", "factor": 1e30}""",
            """{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}""",
            """{"rope_type": "longrope", "short_factor": [1, 2], "long_factor": [1, 1e-40]}""",
            """{"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e-30}}""",
        ];
        // Small even numbers make most families plan; the changes on top of them are what is tested.
        string usual = string.Join(", ", names.Where(n => n.Contains("size") || n.Contains("dim") || n.StartsWith("num") || n.StartsWith("n_"))
            .Select(n => $"\"{n}\": {(n.Contains("head") ? 4 : n.Contains("layer") || n.Contains("expert") ? 2 : 64)}"));
        Gen<string> fields = Gen.Select(Gen.OneOf(names), Gen.OneOf(values), (n, v) => $"\"{n}\": {v}").Array[0, 4]
            .Select(all => string.Concat(all.Select(f => $", {f}")));
        Gen.Select(Gen.OneOf(FamilyTable.Architectures.ToArray()), fields).Sample((architecture, changes) =>
        {
            byte[] json = Encoding.UTF8.GetBytes($"{{\"architectures\": [\"{architecture}\"], {usual}{changes}}}");
            // The limits stand for a checkpoint of 10,000 numbers in 100 tensors: 20 KB at least.
            AssertContained("config.json", json.Length + 20_000, () =>
                FamilyTable.Plan(ConfigFields.Parse("config.json", json).WithLimits(10_000, 100)));
        }, iter: Samples * 10);
    }

    [Fact]
    public void Sizes_in_a_small_file_make_nothing_large()
    {
        using var folder = new TempFolder();
        folder.WriteSafetensors("model.safetensors", """{"model.embed_tokens.weight":{"dtype":"F32","shape":[4611686018427387904,0],"data_offsets":[0,0]}}""", 0);
        folder.Write("config.json", TinyModel.Config.Replace(": 10,", ": 2000000000,").Replace(": 8,", ": 2000000000,").Replace(": 2,", ": 2000000000,"));
        AssertContained(folder.Path, 1000, () => Checkpoint.Open(folder.Path).Dispose());
    }

    private static Func<byte[], byte[]> On(Action<byte[]> change) => bytes =>
    {
        var copy = (byte[])bytes.Clone();
        change(copy);
        return copy;
    };

    // Puts another value in place of one of the numbers that the text of a file holds.
    private static Func<byte[], byte[]> ReplaceNumber(int which, string value) => bytes =>
    {
        var starts = new List<int>();
        for (int i = 1; i < bytes.Length; i++)
        {
            if (char.IsAsciiDigit((char)bytes[i]) && bytes[i - 1] is (byte)' ' or (byte)'[' or (byte)':' or (byte)',')
                starts.Add(i);
        }

        if (starts.Count == 0)
            return bytes;
        int start = starts[which % starts.Count], end = start;
        while (end < bytes.Length && (char.IsAsciiDigit((char)bytes[end]) || bytes[end] is (byte)'.' or (byte)'e' or (byte)'-'))
            end++;
        return [.. bytes[..start], .. Encoding.ASCII.GetBytes(value), .. bytes[end..]];
    };

    // Writes a folder of files once for each thread, then opens it with one file damaged in many ways.
    private void Check(string damaged, Action<string> open, Action<TempFolder> write)
    {
        _write = write;
        byte[] whole = File.ReadAllBytes(_folders.Value!.File(damaged));
        long others = Directory.GetFiles(_folders.Value.Path).Sum(f => new FileInfo(f).Length) - whole.Length;
        Mutations.Sample(mutate =>
        {
            TempFolder folder = _folders.Value!;
            byte[] bytes = mutate(whole);
            folder.Write(damaged, bytes);
            AssertContained(folder.Path, others + bytes.Length, () => open(folder.Path));
        }, iter: Samples);
    }

    private static void AssertContained(string path, long bytes, Action open)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            open();
        }
        catch (SteerException e)
        {
            Assert.StartsWith(path, e.Message);
            Assert.DoesNotContain(e.Message, char.IsControl);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < BytesInAll + BytesPerByte * bytes, $"{allocated} bytes allocated for {bytes} bytes of files");
    }

    private static void ReadAll(string path)
    {
        using Checkpoint checkpoint = Checkpoint.Open(path);
        foreach (ModulePlace place in ModuleIndex.Of(checkpoint.Tensors, checkpoint.Plan.Tensors.Names).Values)
            Read(place.Part.Weight);
    }

    private static void ReadAdapter(string path, Checkpoint checkpoint)
    {
        using Adapter adapter = Adapter.Open(path, checkpoint);
        foreach (ModulePlace place in ModuleIndex.Of(adapter.Tensors, new TensorNames()).Values)
        {
            foreach (LoraSegment segment in adapter.SegmentsFor(place.Linear) ?? [])
            {
                Read(segment.A);
                Read(segment.B);
            }
        }
    }

    private static void Read(WeightMatrix? matrix)
    {
        if (matrix is null)
            return;
        var row = new float[matrix.Columns];
        matrix.ReadRow(0, row);
        matrix.ReadRow(matrix.Rows - 1, row);
    }
}
