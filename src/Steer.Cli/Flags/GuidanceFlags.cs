using System.CommandLine;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Flags;

/// <summary>How the models steer each other.</summary>
internal sealed class GuidanceFlags : FlagGroup
{
    /// <summary>Presets by the names that flags give them.</summary>
    public static readonly IReadOnlyList<(string Name, GuidancePreset Value)> Presets =
    [
        ("plain", GuidancePreset.Plain), ("steer", GuidancePreset.Steer), ("cfg", GuidancePreset.Cfg), ("contrastive", GuidancePreset.Contrastive),
        ("contrastive-beta", GuidancePreset.ContrastiveBeta), ("dexperts", GuidancePreset.DExperts), ("proxy", GuidancePreset.Proxy),
        ("context-aware", GuidancePreset.ContextAware),
    ];

    private readonly Option<GuidancePreset?> _preset;
    private readonly Option<float?> _gamma;
    private readonly Option<float?> _eta;
    private readonly Option<float?> _alpha;
    private readonly Option<float?> _floor;
    private readonly Option<bool> _sumToOne;
    private readonly Option<bool> _noEosExempt;
    private readonly Option<NegativeCombination?> _combination;
    private readonly Option<float?> _amateurTemperature;

    /// <param name="strengths">There are flags for preset, gamma, eta, alpha and the form of the weights; else another group has them.</param>
    /// <param name="context">There is --context, so that its preset can be asked for.</param>
    public GuidanceFlags(bool strengths = true, bool context = true)
        : base("Guidance")
    {
        T Strength<T>(T option)
            where T : Option => strengths ? Add(option) : option;
        _preset = Strength(Flag.Choice(
            "--preset",
            "How branches are weighed. Default: steer with an expert, cfg for a base alone with --gamma, else what the models given ask for, " +
            "else plain.",
            [.. Presets.Where(p => context || p.Value != GuidancePreset.ContextAware)]));
        _gamma = Strength(Flag.Number(
            "--gamma", "X",
            "Strength of the expert against the base (other presets: of their guidance). Useful up to about 0.6. Default: the "
            + "task's, else 0."));
        _eta = Strength(Flag.Number(
            "--eta", "X", "Strength of the push away from the negatives. Useful up to about 0.4. Default: the task's, else 0."));
        _alpha = Strength(Flag.Number(
            "--alpha", "X",
            "Only tokens of at least this share of the expert's best stay. Default: the task's, else 0.1 where guidance is on."));
        _floor = Add(Flag.Number("--floor", "X", "Log-probabilities below it are raised to it. Default: -10000."));
        _sumToOne = Strength(Flag.Switch("--sum-to-one", "Weights add up to 1, so that eta does not act as a temperature."));
        _noEosExempt = Add(Flag.Switch("--no-eos-exempt", "Lets negatives push the end of a text away too."));
        _combination = Add(Flag.Choice(
            "--negative-combination", "How several negatives push: as one context, or one branch each. Default: joined.",
            ("joined", NegativeCombination.Joined), ("mean", NegativeCombination.Mean), ("log-mean-exp", NegativeCombination.LogMeanExp)));
        _amateurTemperature = Add(Flag.Number(
            "--amateur-temperature", "X",
            "Divides the amateur's scores (presets contrastive, contrastive-beta). Default: 1."));
    }

    /// <summary>Puts what was given over the task's defaults, and checks it.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="models">Tell the default preset.</param>
    /// <param name="hasContext">--context was given.</param>
    /// <exception cref="SteerException">A number is out of range.</exception>
    public GuidanceParams Apply(ParseResult parsed, ModelChoice models, bool hasContext)
    {
        float? gamma = parsed.GetValue(_gamma), eta = parsed.GetValue(_eta);
        var preset = parsed.GetValue(_preset) ?? DefaultPreset(models, gamma, eta, hasContext);

        // A task's strengths are meant for its expert.
        var task = preset == GuidancePreset.Steer && models.HasExpert ? models.Task : null;
        var defaults = new GuidanceParams();
        gamma ??= task?.Gamma;
        eta ??= task?.Eta;

        // Without guidance there is no mask either, unless it is asked for: plain sampling must stay plain.
        bool guided = gamma is > 0 || eta is > 0;
        var guidance = new GuidanceParams
        {
            Preset = preset,
            Gamma = gamma,
            Eta = eta ?? defaults.Eta,
            Alpha = parsed.GetValue(_alpha) ?? (guided ? task?.Alpha : null),
            Floor = parsed.GetValue(_floor) ?? defaults.Floor,
            SumToOne = parsed.GetValue(_sumToOne),
            ExemptEos = !parsed.GetValue(_noEosExempt),
            Combination = parsed.GetValue(_combination) ?? defaults.Combination,
            AmateurTemperature = parsed.GetValue(_amateurTemperature) ?? defaults.AmateurTemperature,
        };
        guidance.Check();
        Refuse(eta is > 0 && preset != GuidancePreset.Steer, _eta, preset, "steer");
        Refuse(guidance.SumToOne && preset != GuidancePreset.Steer, _sumToOne, preset, "steer");
        Refuse(
            guidance.AmateurTemperature != 1 && preset is not (GuidancePreset.Contrastive or GuidancePreset.ContrastiveBeta), _amateurTemperature,
            preset, "contrastive or contrastive-beta");
        return guidance;
    }

    // What would have no effect: the run would not be what was asked for.
    private static void Refuse(bool condition, Option option, GuidancePreset preset, string wanted)
    {
        if (condition)
            throw new SteerException($"{option.Name} has no effect with preset {preset.Name()}: leave it out, or give --preset {wanted}.");
    }

    private static GuidancePreset DefaultPreset(ModelChoice models, float? gamma, float? eta, bool hasContext)
    {
        if (models.Large is not null)
            return GuidancePreset.Proxy;
        if (models.AntiExpert is not null)
            return GuidancePreset.DExperts;
        if (models.Amateur is not null)
            return GuidancePreset.Contrastive;
        if (hasContext)
            return GuidancePreset.ContextAware;
        if (models.HasExpert || eta is not null)
            return GuidancePreset.Steer;
        return gamma is not null ? GuidancePreset.Cfg : GuidancePreset.Plain;
    }
}
