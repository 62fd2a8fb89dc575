using System.Globalization;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>
/// A tensor of random numbers whose every row follows from the seed, the tensor's place and the row's number: files of several formats hold the same
/// model. Matrices are uniform with a standard deviation of 0.02, which keeps activations in range through any depth, and rounded to bfloat16, so
/// that float32 and bfloat16 files hold the same numbers; vectors are norms, all 1.
/// </summary>
/// <param name="Name">In Hugging Face folders.</param>
/// <param name="GgufName">In GGUF files.</param>
/// <param name="Rows">Rows; 1 of a vector.</param>
/// <param name="Columns">Columns.</param>
internal sealed record SyntheticTensor(string Name, string GgufName, int Rows, int Columns)
{
    private static readonly float Range = 0.02f * MathF.Sqrt(12);

    /// <summary>A norm.</summary>
    public bool IsVector => Rows == 1;

    /// <summary>
    /// Where above 0, the rows are those of rotating heads of this width, which GGUF files of Llama store with the pairs of a rotation side by side.
    /// </summary>
    public int RotatedHead { get; init; }

    /// <summary>The tensors of a model in the order of its files.</summary>
    public static IReadOnlyList<SyntheticTensor> Of(SyntheticShape shape)
    {
        var tensors = new List<SyntheticTensor> { new("model.embed_tokens.weight", "token_embd.weight", shape.VocabSize, shape.HiddenSize) };
        for (int i = 0; i < shape.NumLayers; i++)
        {
            string layer = Layer(i), block = string.Create(CultureInfo.InvariantCulture, $"blk.{i}.");
            tensors.Add(new(layer + "input_layernorm.weight", block + "attn_norm.weight", 1, shape.HiddenSize));
            foreach (var projection in Projections(shape))
            {
                tensors.Add(projection with
                {
                    Name = layer + projection.Name + ".weight",
                    GgufName = block + projection.GgufName + ".weight",
                });
            }

            tensors.Add(new(layer + "post_attention_layernorm.weight", block + "ffn_norm.weight", 1, shape.HiddenSize));
        }

        tensors.Add(new("model.norm.weight", "output_norm.weight", 1, shape.HiddenSize));
        if (!shape.TiedEmbeddings)
            tensors.Add(new("lm_head.weight", "output.weight", shape.VocabSize, shape.HiddenSize));
        return tensors;
    }

    /// <summary>Prefix of a layer's tensors in Hugging Face folders.</summary>
    public static string Layer(int i) => string.Create(CultureInfo.InvariantCulture, $"model.layers.{i}.");

    /// <summary>The linear maps of a layer, named without their layer.</summary>
    public static IReadOnlyList<SyntheticTensor> Projections(SyntheticShape shape)
    {
        int keys = shape.NumKvHeads * shape.HeadDim;
        return
        [
            new("self_attn.q_proj", "attn_q", shape.HiddenSize, shape.HiddenSize) { RotatedHead = shape.HeadDim },
            new("self_attn.k_proj", "attn_k", keys, shape.HiddenSize) { RotatedHead = shape.HeadDim },
            new("self_attn.v_proj", "attn_v", keys, shape.HiddenSize),
            new("self_attn.o_proj", "attn_output", shape.HiddenSize, shape.HiddenSize),
            new("mlp.gate_proj", "ffn_gate", shape.IntermediateSize, shape.HiddenSize),
            new("mlp.up_proj", "ffn_up", shape.IntermediateSize, shape.HiddenSize),
            new("mlp.down_proj", "ffn_down", shape.HiddenSize, shape.IntermediateSize),
        ];
    }

    /// <summary>Row of a Hugging Face folder's tensor that stands in a row of a GGUF file's.</summary>
    public int GgufRow(int row)
    {
        if (RotatedHead == 0)
            return row;
        int head = row / RotatedHead * RotatedHead, i = row % RotatedHead;
        return head + (i / 2) + (i % 2 * (RotatedHead / 2));
    }

    /// <summary>Writes a row's numbers.</summary>
    /// <param name="seed">Of the model.</param>
    /// <param name="place">The tensor's place in the model.</param>
    /// <param name="row">Which row.</param>
    /// <param name="numbers">Out [columns].</param>
    public void Fill(int seed, int place, int row, Span<float> numbers)
    {
        if (IsVector)
        {
            numbers.Fill(1);
            return;
        }

        ulong state = Mix(Mix(Mix((ulong)seed) + (ulong)place) + (ulong)row);
        for (int i = 0; i < numbers.Length; i++)
        {
            float uniform = (Mix(state + (ulong)i) >> 40) * (1f / (1 << 24));
            numbers[i] = DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16((uniform - 0.5f) * Range));
        }
    }

    // SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014) at a place of its sequence.
    private static ulong Mix(ulong place)
    {
        ulong z = (place + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
