using Steer.Kernels;
using Steer.Kernels.Host;

namespace Steer.Runtime.Engine;

/// <summary>What an engine loads and how much it may use.</summary>
public sealed record EngineOptions
{
    /// <summary>The base model: a Hugging Face folder, a GGUF file or a llama2.c checkpoint.</summary>
    public required string Base { get; init; }

    /// <summary>An adapter, as a PEFT folder or a GGUF file, or a full checkpoint; null for none.</summary>
    public string? Expert { get; init; }

    /// <summary>
    /// Further experts, adapters or full checkpoints: a request says which it wants (<see cref="GenerationRequest.Expert"/>), and texts of
    /// different experts run in the same batch.
    /// </summary>
    public IReadOnlyList<string> MoreExperts { get; init; } = [];

    /// <summary>dexperts: adapter or full checkpoint of the anti-expert.</summary>
    public string? AntiExpert { get; init; }

    /// <summary>contrastive: adapter or full checkpoint of the amateur.</summary>
    public string? Amateur { get; init; }

    /// <summary>proxy: adapter or full checkpoint of the large model.</summary>
    public string? Large { get; init; }

    /// <summary>Tokenizer folder or file; null for the base's own.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>cpu, cuda, cuda:N, opencl, opencl:N or ilgpu-cpu.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>Threads of the CPU device; 0 for all processors.</summary>
    public int Threads { get; init; }

    /// <summary>Instructions of the CPU device; the results are the same bits for all.</summary>
    public InstructionSet InstructionSet { get; init; }

    /// <summary>Sequences that run at once; more wait.</summary>
    public int MaxBatch { get; init; } = 32;

    /// <summary>
    /// Longest context, in tokens; more than a model's window stand for the window. Null for the window, or, with rotary scaling longrope, for the
    /// length that has the short factors: a longer one gives all contexts, short ones too, the long factors (transformers changes the factors, and
    /// with them the cached keys, when a context grows beyond that length).
    /// </summary>
    public int? MaxLength { get; init; }

    /// <summary>
    /// Most rows (tokens of branches) of one forward pass; longer prompts are computed in chunks. Null for what fills the device: 512, on a GPU 2048.
    /// </summary>
    public int? MaxBatchedTokens { get; init; }

    /// <summary>
    /// Bytes for keys and values; null for what <see cref="MaxBatch"/> guided sequences need, at most a quarter of the device's memory. A device with
    /// less free memory gives what it has.
    /// </summary>
    public long? Memory { get; init; }

    /// <summary>
    /// Type of the weights in memory; null for the type in which the checkpoint stores each, with exact activations: BF16 for what a GGUF file holds
    /// in blocks of few bits.
    /// </summary>
    public DType? Weights { get; init; }

    /// <summary>Whether activations stay float32 where <see cref="Weights"/> names a type that rounds them (BF16, Int8, Int4).</summary>
    public bool ExactActivations { get; init; }

    /// <summary>
    /// How keys and values are held: F32, BF16 or Int8. Null for BF16 where <see cref="Weights"/> rounds activations, because keys and values are
    /// activations; else F32. Where both activations and the cache are rounded, so are queries and the weights of softmax.
    /// </summary>
    public DType? KvCacheType { get; init; }

    /// <summary>Contexts that begin alike share their cache.</summary>
    public bool SharePrefixes { get; init; } = true;

    /// <summary>
    /// Times every kernel, see <see cref="SteerEngine.TakeProfile"/>. The device then waits for each kernel, so steps are a little slower.
    /// </summary>
    public bool Profile { get; init; }

    /// <summary>How a projection is held in memory that a checkpoint stores as <paramref name="stored"/>.</summary>
    internal WeightFormat WeightFormat(DType stored) => new(Weights ?? stored, RoundActivations: Weights is not null && !ExactActivations);

    /// <summary>How keys and values of a model are held.</summary>
    internal KvCacheShape KvCacheShape(int layers, int blocks, int kvHeads, int headDim)
    {
        bool rounds = WeightFormat(stored: DType.F32).Rounds; // whatever is stored: without Weights nothing is rounded
        return new(layers, blocks, kvHeads, headDim, KvCacheType ?? (rounds ? DType.BF16 : DType.F32), rounds);
    }

    /// <summary>Decode steps that are queued before the host looks at what they gave; null for what suits the device.</summary>
    internal int? QueueDepth { get; init; }

    /// <summary>Throws where a number is outside its range, or a path is empty.</summary>
    /// <exception cref="SteerException">One line that names the option.</exception>
    public void Check()
    {
        (string Name, string? Path)[] paths =
        [
            ("base", Base ?? ""), ("expert", Expert), ("anti-expert", AntiExpert), ("amateur", Amateur), ("large", Large), ("tokenizer", Tokenizer),
            .. MoreExperts.Select(path => ("expert", (string?)(path ?? ""))),
        ];
        foreach (var (name, path) in paths)
        {
            if (path is not null && string.IsNullOrWhiteSpace(path))
                throw new SteerException($"The path of the {name} is empty: give a folder or a file.");
        }

        if (Threads is < 0 or > 1024)
            throw new SteerException($"threads is {Threads}: give a number from 1 to 1024, or 0 for all processors.");
        if (MaxBatch is < 1 or > 4096)
            throw new SteerException($"max-batch is {MaxBatch}: give a number from 1 to 4096.");
        if (MaxLength is < 1)
            throw new SteerException($"max-length is {MaxLength}: give at least 1.");
        if (MaxBatchedTokens is < 16 or > 65536)
            throw new SteerException($"max-batched-tokens is {MaxBatchedTokens}: give a number from 16 to 65536.");
        if (Memory is <= 0)
            throw new SteerException("memory is not above 0: give a size such as 512MB or 4GB.");
        if (KvCacheType is not (null or DType.F32 or DType.BF16 or DType.Int8))
            throw new SteerException($"kv-cache is {KvCacheType?.Name()}: give f32, bf16 or int8.");
    }
}
