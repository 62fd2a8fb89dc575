using System.Globalization;
using System.Text.Json.Serialization;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Sweeps;

/// <summary>One setting of a sweep: what its texts are made with.</summary>
public sealed record SweepCell
{
    /// <summary>The row of weights.</summary>
    public GuidancePreset Preset { get; init; } = GuidancePreset.Steer;

    /// <summary>Strength of the preset; null for its default.</summary>
    public float? Gamma { get; init; }

    /// <summary>Weight of the negatives (steer).</summary>
    public float Eta { get; init; }

    /// <summary>Plausibility mask; null for 0.1 in steer, contrastive and contrastive-beta, else 0.</summary>
    public float? Alpha { get; init; }

    /// <summary>Divides the scores.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Negatives drawn for each text (steer with an eta above 0).</summary>
    public int Negatives { get; init; } = 10;

    /// <summary>Weights add up to 1 (steer with an eta above 0).</summary>
    public bool SumToOne { get; init; }

    /// <summary>
    /// What differs from plain sampling, such as "g0.2 e0.4 a0.1 k10", "mask a0.1 t0.75" or "plain"; the same for cells that make the same texts.
    /// </summary>
    [JsonIgnore]
    public string Name
    {
        get
        {
            var cell = Normalized();
            string preset = cell.Preset switch
            {
                GuidancePreset.Steer => "",
                GuidancePreset.Plain => cell.Alpha > 0 ? "mask" : "plain",
                _ => cell.Preset.Name(),
            };
            bool plain = cell.Preset == GuidancePreset.Plain;
            string[] parts =
            [
                preset,
                !plain && cell.Gamma is { } gamma ? Part("g", gamma) : "",
                cell.Preset == GuidancePreset.Steer ? Part("e", cell.Eta) : "",
                !plain || cell.Alpha > 0 ? Part("a", cell.Alpha!.Value) : "",
                cell.Eta > 0 ? Part("k", cell.Negatives) : "",
                cell.SumToOne ? "sum1" : "",
                cell.Temperature != 1 ? Part("t", cell.Temperature) : "",
            ];
            return string.Join(' ', parts.Where(p => p.Length > 0));
        }
    }

    /// <summary>The expert alone: at most a mask and a temperature.</summary>
    [JsonIgnore]
    public bool IsPlain => Normalized().Preset == GuidancePreset.Plain;

    /// <summary>Without values that change nothing, so that cells that make the same texts are equal.</summary>
    internal SweepCell Normalized()
    {
        bool steer = Preset == GuidancePreset.Steer, pushed = steer && Eta > 0 && Negatives > 0;
        float? gamma = steer ? Gamma ?? 0 : Gamma;
        bool plain = Preset == GuidancePreset.Plain || (steer && gamma == 0 && !pushed);
        bool masked = !plain && Preset is GuidancePreset.Steer or GuidancePreset.Contrastive or GuidancePreset.ContrastiveBeta;
        return this with
        {
            Preset = plain ? GuidancePreset.Plain : Preset,
            Gamma = plain ? 0 : gamma,
            Eta = pushed ? Eta : 0,
            Negatives = pushed ? Negatives : 0,
            SumToOne = pushed && SumToOne,
            Alpha = Alpha ?? (masked ? GuidancePlan.DefaultAlpha : 0),
        };
    }

    private static string Part(string letter, float value) => letter + value.ToString(CultureInfo.InvariantCulture);
}
