using System.Globalization;
using System.Text.Json;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>The sizes of a Llama-like model with random weights, for measurements where no trained ones are at hand.</summary>
/// <param name="Name">As the command line names it.</param>
/// <param name="HiddenSize">Width of the residual stream.</param>
/// <param name="NumLayers">Layers.</param>
/// <param name="NumHeads">Query heads.</param>
/// <param name="NumKvHeads">Key and value heads.</param>
/// <param name="IntermediateSize">Width of the feed-forward block.</param>
/// <param name="VocabSize">Tokens.</param>
/// <param name="TiedEmbeddings">The head is the embedding.</param>
public sealed record SyntheticShape(
    string Name, int HiddenSize, int NumLayers, int NumHeads, int NumKvHeads, int IntermediateSize, int VocabSize, bool TiedEmbeddings)
{
    /// <summary>Known shapes: those of SmolLM 135M, TinyLlama 1.1B and Llama 2 7B, and one that fits any machine.</summary>
    public static IReadOnlyList<SyntheticShape> Known { get; } =
    [
        new("15M", 288, 6, 6, 6, 768, 32000, true),
        new("134M", 576, 30, 9, 3, 1536, 49152, true),
        new("1.1B", 2048, 22, 32, 4, 5632, 32000, false),
        new("7B", 4096, 32, 32, 32, 11008, 32000, false),
    ];

    /// <summary>A known shape by name.</summary>
    /// <exception cref="SteerException">There is none of that name.</exception>
    public static SyntheticShape Find(string name) =>
        Known.FirstOrDefault(s => s.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new SteerException($"{name} is no shape that is known: give one of {string.Join(", ", Known.Select(s => s.Name))}.");
}

/// <summary>Writes Hugging Face folders with random weights, the same ones for the same seed.</summary>
public static class SyntheticModel
{
    private const int Window = 2048;

    /// <summary>Writes a LlamaForCausalLM folder.</summary>
    /// <param name="folder">Made where it is missing.</param>
    /// <param name="shape">Its sizes.</param>
    /// <param name="type">How the numbers are stored.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <exception cref="SteerException">The folder cannot be written.</exception>
    public static void Write(string folder, SyntheticShape shape, DType type, int seed = 0)
    {
        var tensors = new List<TensorDeclaration> { new("model.embed_tokens.weight", type, shape.VocabSize, shape.HiddenSize) };
        for (int i = 0; i < shape.NumLayers; i++)
        {
            string layer = Layer(i);
            tensors.Add(new(layer + "input_layernorm.weight", type, shape.HiddenSize));
            tensors.AddRange(Projections(shape).Select(p => new TensorDeclaration(layer + p.Name + ".weight", type, p.Rows, p.Columns)));
            tensors.Add(new(layer + "post_attention_layernorm.weight", type, shape.HiddenSize));
        }

        tensors.Add(new("model.norm.weight", type, shape.HiddenSize));
        if (!shape.TiedEmbeddings)
            tensors.Add(new("lm_head.weight", type, shape.VocabSize, shape.HiddenSize));
        WriteJson(folder, "config.json", new
        {
            architectures = new[] { "LlamaForCausalLM" },
            model_type = "llama",
            hidden_act = "silu",
            hidden_size = shape.HiddenSize,
            intermediate_size = shape.IntermediateSize,
            max_position_embeddings = Window,
            num_attention_heads = shape.NumHeads,
            num_hidden_layers = shape.NumLayers,
            num_key_value_heads = shape.NumKvHeads,
            rms_norm_eps = 1e-5,
            rope_theta = 10000.0,
            tie_word_embeddings = shape.TiedEmbeddings,
            torch_dtype = type == DType.BF16 ? "bfloat16" : "float32",
            vocab_size = shape.VocabSize,
            bos_token_id = 1,
            eos_token_id = 2,
        });
        WriteTensors(Path.Combine(folder, "model.safetensors"), tensors, seed);
    }

    /// <summary>Writes a LoRA adapter on all linear layers of a model of this shape.</summary>
    /// <param name="folder">Made where it is missing.</param>
    /// <param name="shape">The base's sizes.</param>
    /// <param name="rank">r of every projection.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <exception cref="SteerException">The folder cannot be written.</exception>
    public static void WriteAdapter(string folder, SyntheticShape shape, int rank, int seed = 1)
    {
        var tensors = new List<TensorDeclaration>();
        for (int i = 0; i < shape.NumLayers; i++)
        {
            foreach (var (name, rows, columns) in Projections(shape))
            {
                tensors.Add(new($"base_model.model.{Layer(i)}{name}.lora_A.weight", DType.F32, rank, columns));
                tensors.Add(new($"base_model.model.{Layer(i)}{name}.lora_B.weight", DType.F32, rows, rank));
            }
        }

        WriteJson(folder, "adapter_config.json", new
        {
            peft_type = "LORA",
            r = rank,
            lora_alpha = rank,
            target_modules = Projections(shape).Select(p => p.Name[(p.Name.LastIndexOf('.') + 1)..]),
        });
        WriteTensors(Path.Combine(folder, "adapter_model.safetensors"), tensors, seed);
    }

    private static string Layer(int i) => string.Create(CultureInfo.InvariantCulture, $"model.layers.{i}.");

    private static IEnumerable<(string Name, int Rows, int Columns)> Projections(SyntheticShape shape)
    {
        int keys = shape.NumKvHeads * (shape.HiddenSize / shape.NumHeads);
        return
        [
            ("self_attn.q_proj", shape.HiddenSize, shape.HiddenSize), ("self_attn.k_proj", keys, shape.HiddenSize),
            ("self_attn.v_proj", keys, shape.HiddenSize), ("self_attn.o_proj", shape.HiddenSize, shape.HiddenSize),
            ("mlp.gate_proj", shape.IntermediateSize, shape.HiddenSize), ("mlp.up_proj", shape.IntermediateSize, shape.HiddenSize),
            ("mlp.down_proj", shape.HiddenSize, shape.IntermediateSize),
        ];
    }

    private static void WriteJson(string folder, string name, object content)
    {
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, name), JsonSerializer.Serialize(content));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SteerException($"{folder}: cannot be written ({e.Message.ReplaceLineEndings(" ")}). Give another folder.", e);
        }
    }

    /// <summary>Matrices uniform with a standard deviation of 0.02, which keeps activations in range through any depth; norms of 1.</summary>
    private static void WriteTensors(string path, IReadOnlyList<TensorDeclaration> tensors, int seed)
    {
        using var writer = SafetensorsWriter.Create(path, tensors);
        var random = new Random(seed);
        float range = 0.02f * MathF.Sqrt(12);
        foreach (var tensor in tensors)
        {
            var row = new float[tensor.Shape[^1]];
            for (long i = 0; i < tensor.Count / row.Length; i++)
            {
                if (tensor.Shape.Length == 1)
                    Array.Fill(row, 1f);
                else
                    Fill(row, random, range);
                writer.Write(row);
            }
        }

        writer.Finish();
    }

    private static void Fill(Span<float> row, Random random, float range)
    {
        for (int i = 0; i < row.Length; i++)
            row[i] = (random.NextSingle() - 0.5f) * range;
    }
}
