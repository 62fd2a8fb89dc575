using System.Text.Json;
using Steer.Kernels;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Checkpoints;

/// <summary>Writes models with random weights, the same ones for the same seed: Hugging Face folders, adapters and GGUF files.</summary>
public static class SyntheticModel
{
    private const int BosId = 1;
    private const int EosId = 2;

    /// <summary>Writes a LlamaForCausalLM folder.</summary>
    /// <param name="folder">Made where it is missing.</param>
    /// <param name="shape">Its sizes.</param>
    /// <param name="type">How the numbers are stored: F32 or BF16.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <exception cref="SteerException">The folder cannot be written.</exception>
    public static void Write(string folder, SyntheticShape shape, DType type, int seed = 0)
    {
        WriteJson(folder, "config.json", new
        {
            architectures = new[] { "LlamaForCausalLM" },
            model_type = "llama",
            hidden_act = "silu",
            hidden_size = shape.HiddenSize,
            intermediate_size = shape.IntermediateSize,
            max_position_embeddings = SyntheticShape.Window,
            num_attention_heads = shape.NumHeads,
            num_hidden_layers = shape.NumLayers,
            num_key_value_heads = shape.NumKvHeads,
            rms_norm_eps = SyntheticShape.RmsNormEps,
            rope_theta = SyntheticShape.RopeTheta,
            tie_word_embeddings = shape.TiedEmbeddings,
            torch_dtype = type == DType.BF16 ? "bfloat16" : "float32",
            vocab_size = shape.VocabSize,
            bos_token_id = BosId,
            eos_token_id = EosId,
        });
        WriteTensors(Path.Combine(folder, "model.safetensors"), SyntheticTensor.Of(shape), type, seed);
    }

    /// <summary>Writes a LoRA adapter on all linear layers of a model of this shape.</summary>
    /// <param name="folder">Made where it is missing.</param>
    /// <param name="shape">The base's sizes.</param>
    /// <param name="rank">r of every projection.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <exception cref="SteerException">The folder cannot be written.</exception>
    public static void WriteAdapter(string folder, SyntheticShape shape, int rank, int seed = 1)
    {
        var projections = SyntheticTensor.Projections(shape);
        var tensors = new List<SyntheticTensor>();
        for (int i = 0; i < shape.NumLayers; i++)
        {
            foreach (var projection in projections)
            {
                string name = $"base_model.model.{SyntheticTensor.Layer(i)}{projection.Name}";
                tensors.Add(new(name + ".lora_A.weight", "", rank, projection.Columns));
                tensors.Add(new(name + ".lora_B.weight", "", projection.Rows, rank));
            }
        }

        WriteJson(folder, "adapter_config.json", new
        {
            peft_type = "LORA",
            r = rank,
            lora_alpha = rank,
            target_modules = projections.Select(p => p.Name[(p.Name.LastIndexOf('.') + 1)..]),
        });
        WriteTensors(Path.Combine(folder, "adapter_model.safetensors"), tensors, DType.F32, seed);
    }

    /// <summary>
    /// Writes the model of <see cref="Write"/> as a GGUF file, with a SentencePiece vocabulary that is made up; norms stay float32.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="shape">Its sizes; at least 259 tokens.</param>
    /// <param name="type">How matrices are stored.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <exception cref="SteerException">The file cannot be written.</exception>
    public static void WriteGguf(string path, SyntheticShape shape, GgufType type, int seed = 0)
    {
        var tensors = SyntheticTensor.Of(shape);
        using var writer = GgufWriter.Create(
            path,
            Metadata(shape, type),
            [.. tensors.Select(t => t.IsVector
                ? new GgufDeclaration(t.GgufName, GgufType.F32, t.Columns)
                : new GgufDeclaration(t.GgufName, type, t.Rows, t.Columns))]);
        for (int place = 0; place < tensors.Count; place++)
        {
            var row = new float[tensors[place].Columns];
            for (int i = 0; i < tensors[place].Rows; i++)
            {
                tensors[place].Fill(seed, place, tensors[place].GgufRow(i), row);
                writer.Write(row);
            }
        }

        writer.Finish();
    }

    private static Dictionary<string, object> Metadata(SyntheticShape shape, GgufType type)
    {
        var tokens = Vocabulary(shape.VocabSize);
        return new()
        {
            ["general.architecture"] = "llama",
            ["general.name"] = $"random weights, {shape.Name}",
            ["general.file_type"] = type.FileType(),
            ["llama.vocab_size"] = (uint)shape.VocabSize,
            ["llama.context_length"] = (uint)SyntheticShape.Window,
            ["llama.embedding_length"] = (uint)shape.HiddenSize,
            ["llama.block_count"] = (uint)shape.NumLayers,
            ["llama.feed_forward_length"] = (uint)shape.IntermediateSize,
            ["llama.attention.head_count"] = (uint)shape.NumHeads,
            ["llama.attention.head_count_kv"] = (uint)shape.NumKvHeads,
            ["llama.attention.layer_norm_rms_epsilon"] = SyntheticShape.RmsNormEps,
            ["llama.rope.dimension_count"] = (uint)shape.HeadDim,
            ["llama.rope.freq_base"] = SyntheticShape.RopeTheta,
            ["tokenizer.ggml.model"] = "llama",
            ["tokenizer.ggml.tokens"] = tokens.Select(t => t.Piece).ToArray(),
            ["tokenizer.ggml.scores"] = Enumerable.Range(0, shape.VocabSize).Select(i => (float)-i).ToArray(),
            ["tokenizer.ggml.token_type"] = tokens.Select(t => (int)t.Kind).ToArray(),
            ["tokenizer.ggml.bos_token_id"] = (uint)BosId,
            ["tokenizer.ggml.eos_token_id"] = (uint)EosId,
            ["tokenizer.ggml.unknown_token_id"] = 0u,
        };
    }

    // The control tokens and the bytes that a SentencePiece vocabulary must have, then words of no meaning.
    private static (string Piece, PieceKind Kind)[] Vocabulary(int size)
    {
        var tokens = new List<(string, PieceKind)>(size)
        {
            ("<unk>", PieceKind.Unknown), ("<s>", PieceKind.Control), ("</s>", PieceKind.Control),
        };
        tokens.AddRange(Enumerable.Range(0, 256).Select(i => ($"<0x{i:X2}>", PieceKind.Byte)));
        while (tokens.Count < size)
            tokens.Add(($"\u2581w{tokens.Count}", PieceKind.Normal));
        return [.. tokens];
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
            throw SteerException.Unwritable(folder, e, "Give another folder.");
        }
    }

    private static void WriteTensors(string path, IReadOnlyList<SyntheticTensor> tensors, DType type, int seed)
    {
        using var writer = SafetensorsWriter.Create(
            path,
            [.. tensors.Select(
                t => t.IsVector ? new TensorDeclaration(t.Name, type, t.Columns) : new TensorDeclaration(t.Name, type, t.Rows, t.Columns))]);
        for (int place = 0; place < tensors.Count; place++)
        {
            var row = new float[tensors[place].Columns];
            for (int i = 0; i < tensors[place].Rows; i++)
            {
                tensors[place].Fill(seed, place, i, row);
                writer.Write(row);
            }
        }

        writer.Finish();
    }
}
