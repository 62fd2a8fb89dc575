namespace Steer.Runtime.Guidance;

/// <summary>Which of the loaded models a branch runs.</summary>
public enum Variant
{
    /// <summary>The model that others were tuned from.</summary>
    Base,

    /// <summary>The base with an adapter, or a full fine-tuned checkpoint.</summary>
    Expert,

    /// <summary>dexperts: a model tuned on what is not wanted.</summary>
    AntiExpert,

    /// <summary>contrastive: a weaker model; the base where none is given.</summary>
    Amateur,

    /// <summary>proxy: the large model that is steered.</summary>
    Large,

    /// <summary>The first of <see cref="Engine.EngineOptions.MoreExperts"/>; the others have the values that follow.</summary>
    MoreExperts = 16,
}

/// <summary>One branch of a guided sequence: a model, a context, and a weight.</summary>
/// <param name="Name">As results name its log-probabilities: expert, base, negative ...</param>
/// <param name="Variant">The model.</param>
/// <param name="Context">Tokens before the generated ones; at least one.</param>
/// <param name="Weight">w_j, not 0; of the whole group where <paramref name="GroupSize"/> is not 1.</param>
/// <param name="ExemptEos">End-of-sequence tokens take the reference's log-probability.</param>
/// <param name="GroupSize">m at the first of m branches combined by log-mean-exp, 0 at the others, else 1.</param>
/// <param name="Temperature">Divides the branch's logits.</param>
internal sealed record Branch(
    string Name, Variant Variant, IReadOnlyList<int> Context, float Weight, bool ExemptEos = false, int GroupSize = 1, float Temperature = 1);
