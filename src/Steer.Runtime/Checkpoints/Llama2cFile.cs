using System.Buffers.Binary;
using Steer.Kernels;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints;

/// <summary>
/// A llama2.c version 0 checkpoint: seven 32-bit numbers, then float32 weights in a fixed order, kind by kind over all layers.
/// </summary>
/// <remarks>
/// Format: https://github.com/karpathy/llama2.c (legacy_export). Its tensors get the names that Llama has on Hugging Face, so that the same
/// plan maps them; queries and keys are stored as Meta rotates them, neighbours together.
/// </remarks>
internal static class Llama2cFile
{
    /// <summary>Texts begin with token 1, and llama2.c stops where the next one would begin.</summary>
    public const int BosId = 1;

    private const int HeaderBytes = 7 * sizeof(int);

    // Far above any model; a layer can be so narrow that its names take more memory than its weights.
    private const int MaxLayers = 1000;
    private const float RmsNormEps = 1e-5f;

    private readonly record struct Header(
        long Dim, long HiddenDim, long Layers, long Heads, long KvHeads, long VocabSize, long Positions, bool Tied);

    /// <summary>Opens a file and checks its sizes.</summary>
    /// <exception cref="SteerException">The file is missing, or its length is not what its header asks for.</exception>
    public static (TensorCatalog Catalog, ModelPlan Plan) Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            Header header = ReadHeader(file);
            var catalog = new TensorCatalog(path, file, Tensors(file, header));
            return (catalog, Plan(file, header));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static Header ReadHeader(MappedFile file)
    {
        if (file.Length < HeaderBytes)
            throw NotLlama2c(file, $"has {file.Length} bytes");
        var numbers = new int[7];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BinaryPrimitives.ReadInt32LittleEndian(file.Bytes(i * sizeof(int), sizeof(int)));

        // A negative vocabulary says that the output has weights of its own.
        var header = new Header(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4],
            Math.Abs((long)numbers[5]), numbers[6], Tied: numbers[5] > 0);
        if (numbers.Any(n => n <= 0 && n != numbers[5]) || header.VocabSize == 0)
            throw NotLlama2c(file, $"begins with the numbers {string.Join(", ", numbers)}");
        if (header.Dim % header.Heads != 0 || header.Heads % header.KvHeads != 0 || header.Dim / header.Heads % 2 != 0)
            throw NotLlama2c(file, $"has {header.Heads} heads and {header.KvHeads} key heads for a width of {header.Dim}");
        if (header.Layers > MaxLayers)
            throw NotLlama2c(file, $"has {header.Layers} layers");
        UInt128 expected = ExpectedBytes(header);
        if (expected != (UInt128)(ulong)file.Length)
            throw NotLlama2c(file, $"has {file.Length} bytes where its header asks for {expected}");
        return header;
    }

    private static SteerException NotLlama2c(MappedFile file, string why) => FileError.At(file.Path,
        $"is no llama2.c version 0 checkpoint: it {why}; copy or download it again, or give a folder with config.json and model.safetensors.");

    // Every number is below 2^31, so that the sums of products of three fit 128 bits.
    private static UInt128 ExpectedBytes(Header h)
    {
        UInt128 headDim = (UInt128)(ulong)(h.Dim / h.Heads);
        UInt128 dim = (UInt128)(ulong)h.Dim;
        UInt128 kvDim = headDim * (ulong)h.KvHeads;
        UInt128 layer = 2 * dim + 2 * dim * dim + 2 * kvDim * dim + 3 * dim * (ulong)h.HiddenDim;
        UInt128 embedding = dim * (ulong)h.VocabSize;
        UInt128 numbers = embedding + (ulong)h.Layers * layer + dim + (ulong)h.Positions * headDim + (h.Tied ? 0 : embedding);
        return HeaderBytes + numbers * sizeof(float);
    }

    private static List<StoredTensor> Tensors(MappedFile file, Header h)
    {
        long kvDim = h.Dim / h.Heads * h.KvHeads;
        var tensors = new List<StoredTensor>();
        long offset = HeaderBytes;
        Add("model.embed_tokens", h.VocabSize, h.Dim);
        AddLayers("input_layernorm", h.Dim);
        AddLayers("self_attn.q_proj", h.Dim, h.Dim);
        AddLayers("self_attn.k_proj", kvDim, h.Dim);
        AddLayers("self_attn.v_proj", kvDim, h.Dim);
        AddLayers("self_attn.o_proj", h.Dim, h.Dim);
        AddLayers("post_attention_layernorm", h.Dim);
        AddLayers("mlp.gate_proj", h.HiddenDim, h.Dim);
        AddLayers("mlp.down_proj", h.Dim, h.HiddenDim);
        AddLayers("mlp.up_proj", h.HiddenDim, h.Dim);
        Add("model.norm", h.Dim);
        // Cosines and sines follow, which the engine makes itself.
        offset += h.Positions * (h.Dim / h.Heads) * sizeof(float);
        if (!h.Tied)
            Add("lm_head", h.VocabSize, h.Dim);
        return tensors;

        void AddLayers(string name, params ReadOnlySpan<long> shape)
        {
            for (long layer = 0; layer < h.Layers; layer++)
                Add($"model.layers.{layer}.{name}", shape);
        }

        void Add(string name, params ReadOnlySpan<long> shape)
        {
            var tensor = new PlainTensor(file, $"{name}.weight", StorageType.F32, shape.ToArray(), offset);
            tensors.Add(tensor);
            offset += tensor.Count * sizeof(float);
        }
    }

    private static ModelPlan Plan(MappedFile file, Header h)
    {
        int headDim = (int)(h.Dim / h.Heads);
        var config = new DecoderConfig
        {
            Architecture = "LlamaForCausalLM",
            VocabSize = (int)h.VocabSize,
            HiddenSize = (int)h.Dim,
            IntermediateSize = (int)h.HiddenDim,
            NumHeads = (int)h.Heads,
            NumKvHeads = (int)h.KvHeads,
            HeadDim = headDim,
            MaxPositions = (int)h.Positions,
            Activation = Activation.Silu,
            GatedMlp = true,
            Layers = StandardConfig.Layers((int)h.Layers, new LayerConfig(StandardConfig.Scale(headDim), Window: 0, Rope: 0, IsMoe: false)),
            Ropes = [RopeReader.Unscaled(file.Path, headDim, 10000)],
            RopeLayout = RopeLayout.Interleaved,
        };
        return new ModelPlan(config, new TensorPlan { NormEpsilon = RmsNormEps, TiedHead = h.Tied });
    }
}
