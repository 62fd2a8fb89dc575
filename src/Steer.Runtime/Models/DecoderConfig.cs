using Steer.Kernels;

namespace Steer.Runtime.Models;

/// <summary>One set of rotary frequencies; a decoder may have several (Gemma 3 has one for local and one for global layers).</summary>
/// <param name="InverseFrequencies">Radians per position of each pair [rotary dim / 2], any scaling already applied.</param>
/// <param name="Scale">Multiplies cosine and sine (the attention factor of yarn and longrope; else 1).</param>
public sealed record RopeConfig(float[] InverseFrequencies, float Scale)
{
    /// <summary>The frequencies of longer contexts where they are others (longrope); null where all contexts have the same.</summary>
    public LongContextRope? Long { get; init; }
}

/// <summary>Rotary frequencies of long contexts.</summary>
/// <param name="Above">Longest context, in tokens, that still has the others.</param>
/// <param name="InverseFrequencies">Radians per position of each pair [rotary dim / 2].</param>
public sealed record LongContextRope(int Above, float[] InverseFrequencies);

/// <summary>What differs from layer to layer.</summary>
/// <param name="AttentionScale">Multiplies q k^T.</param>
/// <param name="Window">Positions a row sees, itself included; 0 for all.</param>
/// <param name="Rope">Index into <see cref="DecoderConfig.Ropes"/>, or -1 for a layer without rotation.</param>
/// <param name="IsMoe">The feed-forward block is a mixture of experts.</param>
public sealed record LayerConfig(float AttentionScale, int Window, int Rope, bool IsMoe);

/// <summary>
/// Everything that tells one decoder-only transformer from another; the forward pass reads nothing else.
/// Which norms, biases and projections exist is told by <see cref="DecoderTensors"/>: a part that is null is skipped.
/// </summary>
public sealed record DecoderConfig
{
    /// <summary>Name in config.json's `architectures`, such as LlamaForCausalLM.</summary>
    public required string Architecture { get; init; }

    /// <summary>Tokens of the embedding.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the feed-forward block (of one expert where there are several).</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Width of the feed-forward block of layers without a mixture, in a model that has layers of both kinds.</summary>
    public int DenseIntermediateSize { get => field > 0 ? field : IntermediateSize; init; }

    /// <summary>Query heads.</summary>
    public required int NumHeads { get; init; }

    /// <summary>Key and value heads; divides <see cref="NumHeads"/>.</summary>
    public required int NumKvHeads { get; init; }

    /// <summary>Width of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Longest context, in tokens.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Longest context of the model itself, where <see cref="ForLength"/> made <see cref="MaxPositions"/> shorter.</summary>
    public int WindowLimit { get => field > 0 ? field : MaxPositions; init; }

    /// <summary>The nonlinearity of the feed-forward block.</summary>
    public required Activation Activation { get; init; }

    /// <summary>The feed-forward block multiplies act(gate) by up.</summary>
    public bool GatedMlp { get; init; }

    /// <summary>Attention and feed-forward both read the layer's input and are added to it together.</summary>
    public bool ParallelResidual { get; init; }

    /// <summary>Per layer.</summary>
    public required IReadOnlyList<LayerConfig> Layers { get; init; }

    /// <summary>Rotary frequencies that layers refer to.</summary>
    public IReadOnlyList<RopeConfig> Ropes { get; init; } = [];

    /// <summary>Which columns rotate together.</summary>
    public RopeLayout RopeLayout { get; init; }

    /// <summary>ALiBi slope of each head, any scale included; null where there is none.</summary>
    public float[]? AlibiSlopes { get; init; }

    /// <summary>Caps attention scores; 0 for none.</summary>
    public float AttentionSoftCap { get; init; }

    /// <summary>Multiplies token embeddings.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>Multiplies what a block adds to the residual stream.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>Multiplies logits.</summary>
    public float LogitScale { get; init; } = 1;

    /// <summary>Caps logits; 0 for none.</summary>
    public float LogitSoftCap { get; init; }

    /// <summary>Experts of a mixture; 0 for none.</summary>
    public int NumExperts { get; init; }

    /// <summary>Experts that each token goes through.</summary>
    public int ExpertsPerToken { get; init; }

    /// <summary>The weights of a token's experts are made to sum to 1.</summary>
    public bool NormaliseExpertWeights { get; init; }

    /// <summary>Layers.</summary>
    public int NumLayers => Layers.Count;

    /// <summary>
    /// The decoder of contexts up to a length. Where frequencies depend on it (longrope), all contexts have those of that length: a key is rotated
    /// once, when nobody knows how long its context will become.
    /// </summary>
    /// <param name="maxLength">In tokens; more than <see cref="MaxPositions"/> stand for these. Null for them, or with longrope for the longest
    /// context that has the short factors.</param>
    public DecoderConfig ForLength(int? maxLength)
    {
        int length = Math.Min(maxLength ?? Ropes.Min(r => r.Long?.Above) ?? MaxPositions, MaxPositions);
        return this with
        {
            MaxPositions = length,
            WindowLimit = WindowLimit,
            Ropes = [.. Ropes.Select(r => r.Long is { } rope && length > rope.Above ? new RopeConfig(rope.InverseFrequencies, r.Scale) : r)],
        };
    }

    /// <summary>Whether one forward pass can run rows of both: everything but the weights is the same.</summary>
    public bool SameShape(DecoderConfig other)
    {
        static DecoderConfig Scalars(DecoderConfig c) =>
            c with { WindowLimit = 0, Layers = Array.Empty<LayerConfig>(), Ropes = Array.Empty<RopeConfig>(), AlibiSlopes = null };
        return Scalars(this) == Scalars(other)
            && Layers.SequenceEqual(other.Layers)
            && AlibiSlopes.AsSpan().SequenceEqual(other.AlibiSlopes)
            && Ropes.Count == other.Ropes.Count
            && Ropes.Zip(other.Ropes).All(
                p => p.First.Scale == p.Second.Scale && p.First.InverseFrequencies.AsSpan().SequenceEqual(p.Second.InverseFrequencies));
    }
}
