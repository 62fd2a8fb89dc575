using Steer.Kernels;

namespace Steer.Runtime.Models.Families;

/// <summary>How one checkpoint is read: what its family made of its config.json.</summary>
/// <param name="Config">The decoder.</param>
/// <param name="Tensors">Where its tensors are.</param>
internal sealed record ModelPlan(DecoderConfig Config, TensorPlan Tensors);

/// <summary>The order of rows in a projection that stores query, key and value together.</summary>
internal enum QkvOrder
{
    /// <summary>All queries, all keys, all values.</summary>
    Stacked,

    /// <summary>For each key head: its queries, the key, the value (BLOOM, GPT-NeoX, Falcon).</summary>
    ByKvHead,
}

/// <summary>What a norm of queries and keys spans, and which weights it has.</summary>
internal enum QkNormKind
{
    /// <summary>One head; all heads share [head dim] weights.</summary>
    SharedByHeads,

    /// <summary>One head; each has its own weights, stored [heads, head dim].</summary>
    OfEachHead,

    /// <summary>One head; each has its own weights in a tensor of its own, named by its number.</summary>
    NumberedHeads,

    /// <summary>The whole row.</summary>
    WholeRow,
}

/// <summary>Which tensors a checkpoint has. Defaults are those of Llama.</summary>
internal sealed record TensorPlan
{
    /// <summary>Names of the tensors.</summary>
    public TensorNames Names { get; init; } = new();

    /// <summary>Of every normalisation.</summary>
    public NormKind NormKind { get; init; }

    /// <summary>Added under the root of every normalisation.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Added to every norm's weight (Gemma: 1).</summary>
    public float NormOffset { get; init; }

    /// <summary>Norms have a bias.</summary>
    public bool NormBias { get; init; }

    /// <summary>Norms of queries and keys, where they are named.</summary>
    public QkNormKind QkNorm { get; init; }

    /// <summary>Norms of queries and keys have a bias.</summary>
    public bool QkNormBias { get; init; }

    /// <summary>Query, key and value have a bias.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Row order of a projection that stores all three.</summary>
    public QkvOrder QkvOrder { get; init; }

    /// <summary>The attention output has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>The feed-forward block has biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>The output has a bias.</summary>
    public bool HeadBias { get; init; }

    /// <summary>The output multiplies by the token embedding.</summary>
    public bool TiedHead { get; init; }

    /// <summary>Projections of the layers are stored [in, out] (GPT-2's Conv1D).</summary>
    public bool Transposed { get; init; }

    /// <summary>Rows of the position embedding before position 0 (OPT: 2).</summary>
    public int PositionOffset { get; init; }
}

/// <summary>Names of tensors, without ".weight" and ".bias"; null for what a family does not have. Defaults are those of Llama.</summary>
internal sealed record TensorNames
{
    /// <summary>Before all names but the head's. Checkpoints saved from the model without its head lack it.</summary>
    public string Prefix { get; init; } = "model.";

    /// <summary>Token embedding.</summary>
    public string Embedding { get; init; } = "embed_tokens";

    /// <summary>Position embedding.</summary>
    public string? PositionEmbedding { get; init; }

    /// <summary>Norm over the embedding.</summary>
    public string? EmbeddingNorm { get; init; }

    /// <summary>Before a layer's number.</summary>
    public string Layers { get; init; } = "layers";

    /// <summary>Norm before the logits.</summary>
    public string? FinalNorm { get; init; } = "norm";

    /// <summary>The output.</summary>
    public string Head { get; init; } = "lm_head";

    /// <summary>Norm before attention.</summary>
    public string? AttentionNorm { get; init; } = "input_layernorm";

    /// <summary>Query, key and value, or one name for all three.</summary>
    public string[] Qkv { get; init; } = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"];

    /// <summary>Norm over queries.</summary>
    public string? QueryNorm { get; init; }

    /// <summary>Norm over keys.</summary>
    public string? KeyNorm { get; init; }

    /// <summary>Attention output.</summary>
    public string Output { get; init; } = "self_attn.o_proj";

    /// <summary>Norm over what attention adds.</summary>
    public string? PostAttentionNorm { get; init; }

    /// <summary>Norm before the feed-forward block.</summary>
    public string? MlpNorm { get; init; } = "post_attention_layernorm";

    /// <summary>Gate and up, or one name for both, or up alone where there is no gate.</summary>
    public string[] Up { get; init; } = ["mlp.gate_proj", "mlp.up_proj"];

    /// <summary>Back to the residual stream.</summary>
    public string Down { get; init; } = "mlp.down_proj";

    /// <summary>Norm over what the feed-forward block adds.</summary>
    public string? PostMlpNorm { get; init; }

    /// <summary>Mixture: the router.</summary>
    public string? Router { get; init; }

    /// <summary>Mixture: before an expert's number.</summary>
    public string Experts { get; init; } = "mlp.experts";

    /// <summary>Mixture: gate and up of an expert.</summary>
    public string[] ExpertUp { get; init; } = ["gate_proj", "up_proj"];

    /// <summary>Mixture: down of an expert.</summary>
    public string ExpertDown { get; init; } = "down_proj";
}
