using Steer.Kernels;

namespace Steer.Runtime.Models;

/// <summary>A projection as the device holds it: a packed weight, which variants may share, and what an adapter adds.</summary>
internal sealed record Linear(PackedWeight Weight, DeviceBuffer<float>? Bias, LoraWeight? Lora);

/// <summary>One layer of one variant; parts that its family does not have are null.</summary>
internal sealed record LayerWeights
{
    public NormWeight? AttentionNorm { get; init; }

    public required Linear Qkv { get; init; }

    public NormWeight? QueryNorm { get; init; }

    public NormWeight? KeyNorm { get; init; }

    public required Linear Output { get; init; }

    public NormWeight? PostAttentionNorm { get; init; }

    public NormWeight? MlpNorm { get; init; }

    public Linear? Up { get; init; }

    public Linear? Down { get; init; }

    public NormWeight? PostMlpNorm { get; init; }

    public Linear? Router { get; init; }

    public IReadOnlyList<PackedWeight> ExpertUp { get; init; } = [];

    public IReadOnlyList<PackedWeight> ExpertDown { get; init; } = [];
}

/// <summary>
/// The weights of one variant of a model: the base, the base with an adapter, or another checkpoint of the same shape.
/// Variants of one decoder share every packed weight that is the same tensor on disk.
/// </summary>
internal sealed record DecoderWeights
{
    public required Linear Embedding { get; init; }

    public Linear? PositionEmbedding { get; init; }

    public NormWeight? EmbeddingNorm { get; init; }

    public required IReadOnlyList<LayerWeights> Layers { get; init; }

    public NormWeight? FinalNorm { get; init; }

    public required Linear LmHead { get; init; }
}
