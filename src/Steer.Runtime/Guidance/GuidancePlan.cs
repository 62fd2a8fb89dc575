namespace Steer.Runtime.Guidance;

/// <summary>The contexts of a request, tokenised.</summary>
/// <param name="Prompt">Tokens of the prompt.</param>
/// <param name="Negatives">One joined negative context, or one for each negative; empty for none.</param>
/// <param name="Context">context-aware: tokens of the prompt with the context before it; null for none.</param>
internal sealed record GuidanceContexts(
    IReadOnlyList<int> Prompt, IReadOnlyList<IReadOnlyList<int>> Negatives, IReadOnlyList<int>? Context);

/// <summary>
/// The branches of a guided sequence and what makes its mask: a preset's row of weights over the models and contexts at hand.
/// Branches of weight 0 are left out, so gamma = eta = 0 is one plain branch.
/// </summary>
/// <remarks>
/// A token's guided score is sum_j w_j log p_j(token | context_j), over the tokens whose probability under the reference branch is at least alpha
/// times that of its best one; <see cref="Kernels.Device.GuideAndSample"/> computes it. steer: w = 1 + gamma for the expert, -gamma for the base and
/// -eta for the negatives (arXiv 2308.07645). The other rows of weights stand in <see cref="Create"/>.
/// </remarks>
/// <param name="Branches">At least one.</param>
/// <param name="Reference">Index of the branch that makes the mask.</param>
/// <param name="Alpha">Plausibility mask.</param>
/// <param name="NucleusMass">dexperts: mass of the base's nucleus that is the mask; else 0.</param>
/// <param name="Floor">Log-probabilities below it are raised to it.</param>
/// <param name="Warnings">One line each: an empty pool, an eta that hides a temperature.</param>
internal sealed record GuidancePlan(
    IReadOnlyList<Branch> Branches, int Reference, float Alpha, float NucleusMass, float Floor, IReadOnlyList<string> Warnings)
{
    /// <summary>Mask of steer and of contrastive decoding where none is asked for.</summary>
    public const float DefaultAlpha = 0.1f;

    /// <summary>Tokens that the models of all branches have.</summary>
    public int VocabSize { get; init; }

    /// <summary>Mass of the base's nucleus in dexperts (Liu et al., arXiv 2105.03023, section 3).</summary>
    private const float DExpertsNucleus = 0.9f;

    /// <summary>One model alone, with no mask.</summary>
    public static GuidancePlan Single(string name, Variant variant, IReadOnlyList<int> context, float floor) =>
        new([new Branch(name, variant, context, Weight: 1)], Reference: 0, Alpha: 0, NucleusMass: 0, floor, Warnings: []);

    /// <summary>Makes the plan of a preset.</summary>
    /// <param name="parameters">Checked here.</param>
    /// <param name="contexts">Tokenised contexts.</param>
    /// <param name="loaded">Models at hand; the base is always among them.</param>
    /// <param name="expert">Which of them is the expert, where it is loaded.</param>
    /// <exception cref="SteerException">A parameter is out of range, or the preset needs a model or context that is missing.</exception>
    public static GuidancePlan Create(
        GuidanceParams parameters, GuidanceContexts contexts, IReadOnlySet<Variant> loaded, Variant expert = Variant.Expert)
    {
        parameters.Check();
        var plan = new Builder(parameters, contexts, loaded, expert);
        switch (parameters.Preset)
        {
            case GuidancePreset.Plain:
                plan.Add(plan.Main, contexts.Prompt, 1);
                break;
            case GuidancePreset.Steer:
                plan.Steer();
                break;
            case GuidancePreset.Cfg:
                float scale = parameters.Gamma ?? 1.5f;
                plan.Add(plan.Main, contexts.Prompt, scale);
                plan.Add("unconditional", plan.Main, contexts.Negatives.Count > 0 ? contexts.Negatives[0] : [contexts.Prompt[^1]], 1 - scale);
                break;
            case GuidancePreset.Contrastive:
                plan.Add(plan.Need(Variant.Expert), contexts.Prompt, 1);
                plan.AddAmateur(-(parameters.Gamma ?? 1));
                break;
            case GuidancePreset.ContrastiveBeta:
                float beta = parameters.Gamma ?? 0.5f;
                plan.Add(plan.Need(Variant.Expert), contexts.Prompt, 1 + beta);
                plan.AddAmateur(-beta);
                break;
            case GuidancePreset.DExperts:
                float strength = parameters.Gamma ?? 2;
                plan.Add(Variant.Base, contexts.Prompt, 1);
                plan.Add(plan.Need(Variant.Expert), contexts.Prompt, strength);
                plan.Add(plan.Need(Variant.AntiExpert), contexts.Prompt, -strength);
                break;
            case GuidancePreset.Proxy:
                float shift = parameters.Gamma ?? 1;
                plan.Add(plan.Need(Variant.Large), contexts.Prompt, 1);
                plan.Add(plan.Need(Variant.Expert), contexts.Prompt, shift);
                plan.Add(Variant.Base, contexts.Prompt, -shift);
                break;
            case GuidancePreset.ContextAware:
                float trust = parameters.Gamma ?? 0.5f;
                plan.Add("context", plan.Main, plan.NeedContext(), 1 + trust);
                plan.Add(plan.Main, contexts.Prompt, -trust);
                break;
            default:
                throw new SteerException($"Unknown preset {parameters.Preset}.");
        }

        return plan.Build();
    }

    private sealed class Builder(GuidanceParams parameters, GuidanceContexts contexts, IReadOnlySet<Variant> loaded, Variant expert)
    {
        private readonly List<Branch> _branches = [];
        private readonly List<string> _warnings = [];

        /// <summary>The model that plain text comes from.</summary>
        public Variant Main => loaded.Contains(expert) ? expert : Variant.Base;

        public Variant Need(Variant variant)
        {
            var wanted = variant == Variant.Expert ? expert : variant;
            return loaded.Contains(wanted)
                ? wanted
                : throw new SteerException($"Preset {parameters.Preset.Name()} needs a model that is not loaded: give --{variant.Name()} PATH.");
        }

        public IReadOnlyList<int> NeedContext() =>
            contexts.Context ?? throw new SteerException("context-aware needs a context: give one with --context FILE.");

        /// <summary>expert 1 + gamma, base -gamma, negative -eta; sum-to-one: expert 1 + gamma + eta.</summary>
        public void Steer()
        {
            float gamma = parameters.Gamma ?? 0, eta = parameters.Eta;
            if (eta > 0 && contexts.Negatives.Count == 0)
            {
                _warnings.Add("There are no negatives, so eta counts as 0.");
                eta = 0;
            }

            if (eta >= 1 && !parameters.SumToOne)
            {
                _warnings.Add(FormattableString.Invariant(
                    $"eta is {eta}: from 1 on the weights no longer favour what the expert likes; consider --sum-to-one or a smaller eta."));
            }

            Add(gamma > 0 ? Need(Variant.Expert) : Main, contexts.Prompt, 1 + gamma + (parameters.SumToOne ? eta : 0));
            Add(Variant.Base, contexts.Prompt, -gamma);
            if (eta > 0)
                AddNegatives(eta);
        }

        public void Add(Variant variant, IReadOnlyList<int> context, float weight) => Add(variant.Name(), variant, context, weight);

        public void Add(string name, Variant variant, IReadOnlyList<int> context, float weight)
        {
            if (weight != 0)
                _branches.Add(new Branch(name, variant, context, weight));
        }

        /// <summary>The weaker model of contrastive decoding: the amateur where one is loaded, else the base.</summary>
        public void AddAmateur(float weight)
        {
            var amateur = loaded.Contains(Variant.Amateur) ? Variant.Amateur : Variant.Base;
            if (weight != 0)
                _branches.Add(new Branch(amateur.Name(), amateur, contexts.Prompt, weight, Temperature: parameters.AmateurTemperature));
        }

        public GuidancePlan Build()
        {
            bool masked = parameters.Preset is GuidancePreset.Steer or GuidancePreset.Contrastive or GuidancePreset.ContrastiveBeta;
            float alpha = parameters.Alpha ?? (masked && _branches.Count > 1 ? DefaultAlpha : 0);
            float nucleus = parameters.Preset == GuidancePreset.DExperts ? DExpertsNucleus : 0;
            return new GuidancePlan(_branches, Reference: 0, alpha, nucleus, parameters.Floor, _warnings);
        }

        private void AddNegatives(float eta)
        {
            var negatives = contexts.Negatives;
            for (int i = 0; i < negatives.Count; i++)
            {
                bool grouped = parameters.Combination == NegativeCombination.LogMeanExp;
                float weight = grouped ? -eta : -eta / negatives.Count;
                int group = !grouped ? 1 : i == 0 ? negatives.Count : 0;
                string name = negatives.Count == 1 ? "negative" : $"negative_{i}";
                _branches.Add(new Branch(name, Main, negatives[i], weight, parameters.ExemptEos, group));
            }
        }
    }
}
