using System.Text.Json.Serialization;

namespace Steer.Runtime.Guidance;

/// <summary>Named rows of branch weights, each from a paper; see <see cref="GuidancePlan"/> for the weights.</summary>
public enum GuidancePreset
{
    /// <summary>The expert (or the base, where there is no expert) alone.</summary>
    Plain,

    /// <summary>Contrastive expert guidance and negative prompting (O'Neill et al., arXiv 2308.07645).</summary>
    Steer,

    /// <summary>Classifier-free guidance of one model between two contexts (Sanchez et al., arXiv 2306.17806).</summary>
    Cfg,

    /// <summary>Contrastive decoding (Li et al., arXiv 2210.15097).</summary>
    Contrastive,

    /// <summary>Contrastive decoding in the form of O'Brien and Lewis, arXiv 2309.09117.</summary>
    ContrastiveBeta,

    /// <summary>Expert and anti-expert around a base (Liu et al., arXiv 2105.03023).</summary>
    [JsonStringEnumMemberName("dexperts")]
    DExperts,

    /// <summary>Proxy tuning of a large model by a small pair (Liu et al., arXiv 2401.08565).</summary>
    Proxy,

    /// <summary>Context-aware decoding (Shi et al., arXiv 2305.14739).</summary>
    ContextAware,
}

/// <summary>How several negative examples push.</summary>
public enum NegativeCombination
{
    /// <summary>All in one context, joined by a separator: one branch (the authors' form).</summary>
    Joined,

    /// <summary>One branch each; the mean of their log-probabilities.</summary>
    Mean,

    /// <summary>One branch each; the log of their mean probability: a token is disliked where some negative likes it.</summary>
    LogMeanExp,
}

/// <summary>What guidance a request asks for. Defaults are those of the paper's method with a plausibility mask.</summary>
public sealed record GuidanceParams
{
    /// <summary>The row of weights.</summary>
    public GuidancePreset Preset { get; init; } = GuidancePreset.Steer;

    /// <summary>
    /// Strength of the preset; null for its default. steer: gamma (0), at least 0. cfg: guidance scale g (1.5). contrastive: weight of the
    /// amateur (1). contrastive-beta: beta (0.5). dexperts: a (2). proxy: a (1). context-aware: a (0.5).
    /// </summary>
    public float? Gamma { get; init; }

    /// <summary>Weight of the negative branch of steer, at least 0.</summary>
    public float Eta { get; init; }

    /// <summary>
    /// Plausibility mask in [0, 1); null for 0.1 in steer, contrastive and contrastive-beta when a second branch has weight, else 0.
    /// </summary>
    public float? Alpha { get; init; }

    /// <summary>Log-probabilities below it are raised to it, in nats.</summary>
    public float Floor { get; init; } = -1e4f;

    /// <summary>steer: weighs the expert 1 + gamma + eta, so that the weights add up to 1 and eta hides no temperature.</summary>
    public bool SumToOne { get; init; }

    /// <summary>
    /// End-of-sequence tokens take the expert's log-probability in the negative term, so that complete negatives do not make texts run on.
    /// </summary>
    public bool ExemptEos { get; init; } = true;

    /// <summary>How several negatives combine; in cfg, which has one negative branch, they can be joined only.</summary>
    public NegativeCombination Combination { get; init; }

    /// <summary>contrastive and contrastive-beta: divides the amateur's logits before they are weighed, above 0 (Li et al., section 3.4).</summary>
    public float AmateurTemperature { get; init; } = 1;

    /// <summary>Throws where a number is not one, or is outside its range.</summary>
    /// <exception cref="SteerException">One line that names the parameter.</exception>
    public void Check()
    {
        if (Gamma is { } gamma && (!float.IsFinite(gamma) || gamma < 0))
            throw new SteerException(FormattableString.Invariant($"gamma is {gamma}: give a number of at least 0."));
        if (!float.IsFinite(Eta) || Eta < 0)
            throw new SteerException(FormattableString.Invariant($"eta is {Eta}: give a number of at least 0."));
        if (Alpha is { } alpha && !(alpha >= 0 && alpha < 1))
            throw new SteerException(FormattableString.Invariant($"alpha is {alpha}: give a number of at least 0 and below 1."));
        if (!float.IsFinite(AmateurTemperature) || AmateurTemperature <= 0)
            throw new SteerException(FormattableString.Invariant($"amateur-temperature is {AmateurTemperature}: give a number above 0."));
        if (!float.IsFinite(Floor) || Floor >= 0)
            throw new SteerException(FormattableString.Invariant($"floor is {Floor}: give a number below 0."));
        if (!Enum.IsDefined(Combination))
            throw new SteerException($"negative-combination is {(int)Combination}: give joined, mean or log-mean-exp.");
        if (Preset == GuidancePreset.Cfg && Combination != NegativeCombination.Joined)
            throw new SteerException($"negative-combination is {Combination.Name()}: preset cfg has one negative branch, so give joined.");
    }
}
