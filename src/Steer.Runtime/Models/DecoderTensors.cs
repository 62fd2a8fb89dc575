using Steer.Kernels;

namespace Steer.Runtime.Models;

/// <summary>
/// One stored projection ("module", as adapters name it) that makes up part of a fused one. Its rows may be permuted on the way,
/// as where a checkpoint interleaves query, key and value head by head.
/// </summary>
/// <param name="Module">Name without ".weight", such as model.layers.0.self_attn.q_proj.</param>
/// <param name="Weight">[rows, k], the permutation already applied.</param>
/// <param name="Bias">[rows], the permutation already applied; or null.</param>
/// <param name="RowMap">Stored row of each row here; null where they are the same.</param>
public sealed record LinearPart(string Module, WeightMatrix Weight, float[]? Bias, int[]? RowMap = null);

/// <summary>A projection: parts one below the other, as the forward pass multiplies them in one product.</summary>
public sealed record LinearTensors(IReadOnlyList<LinearPart> Parts)
{
    /// <summary>Output features of all parts.</summary>
    public int Rows => Parts.Sum(p => p.Weight.Rows);

    /// <summary>That of all parts where they agree; else float32, which holds any of them.</summary>
    public DType DefaultType => Parts.Select(p => p.Weight.DefaultType).Distinct().ToList() is [var same] ? same : DType.F32;
}

/// <summary>A normalisation's numbers [columns]; offsets such as Gemma's 1 + w are already added.</summary>
public sealed record NormTensors(NormKind Kind, float Epsilon, int GroupSize, float[] Weight, float[]? Bias);

/// <summary>The tensors of one layer. What a family does not have is null.</summary>
public sealed record LayerTensors
{
    /// <summary>Before attention; null where the attention reads the residual stream itself (OLMo 2).</summary>
    public NormTensors? AttentionNorm { get; init; }

    /// <summary>Query, key and value, one below the other [(heads + 2 kv heads) * head dim, hidden].</summary>
    public required LinearTensors Qkv { get; init; }

    /// <summary>Over queries [heads * head dim].</summary>
    public NormTensors? QueryNorm { get; init; }

    /// <summary>Over keys [kv heads * head dim].</summary>
    public NormTensors? KeyNorm { get; init; }

    /// <summary>Attention output [hidden, heads * head dim].</summary>
    public required LinearTensors Output { get; init; }

    /// <summary>Over what attention adds, before it is added (Gemma 2, OLMo 2).</summary>
    public NormTensors? PostAttentionNorm { get; init; }

    /// <summary>Before the feed-forward block; null where it reads what attention read (parallel) or the residual stream itself.</summary>
    public NormTensors? MlpNorm { get; init; }

    /// <summary>Gate above up [2 * intermediate, hidden], or up alone where there is no gate; null in a mixture.</summary>
    public LinearTensors? Up { get; init; }

    /// <summary>[hidden, intermediate]; null in a mixture.</summary>
    public LinearTensors? Down { get; init; }

    /// <summary>Over what the feed-forward block adds, before it is added.</summary>
    public NormTensors? PostMlpNorm { get; init; }

    /// <summary>Mixture: router [experts, hidden].</summary>
    public LinearTensors? Router { get; init; }

    /// <summary>Mixture: for each expert gate above up.</summary>
    public IReadOnlyList<LinearTensors> ExpertUp { get; init; } = [];

    /// <summary>Mixture: for each expert down.</summary>
    public IReadOnlyList<LinearTensors> ExpertDown { get; init; } = [];
}

/// <summary>The tensors of a checkpoint in the order of the forward pass; reading them is left to the device that packs them.</summary>
public sealed record DecoderTensors
{
    /// <summary>Token embedding [vocab, hidden].</summary>
    public required LinearTensors Embedding { get; init; }

    /// <summary>Position embedding [positions, hidden], any offset already skipped; or null.</summary>
    public LinearTensors? PositionEmbedding { get; init; }

    /// <summary>Over the embedding (BLOOM).</summary>
    public NormTensors? EmbeddingNorm { get; init; }

    /// <summary>Layers.</summary>
    public required IReadOnlyList<LayerTensors> Layers { get; init; }

    /// <summary>Before the logits.</summary>
    public NormTensors? FinalNorm { get; init; }

    /// <summary>[vocab, hidden]; the same object as <see cref="Embedding"/> where they are tied.</summary>
    public required LinearTensors LmHead { get; init; }
}
