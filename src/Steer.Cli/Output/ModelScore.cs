using System.Text.Json;
using Steer.Runtime;
using Steer.Runtime.Engine;

namespace Steer.Cli.Output;

/// <summary>Log-probability of a text, or of several, under one distribution.</summary>
/// <param name="Name">base, expert or guided.</param>
/// <param name="Tokens">Scored tokens.</param>
/// <param name="LogProb">Their sum, in nats.</param>
/// <param name="Masked">Tokens outside the plausibility mask, which have probability 0.</param>
internal sealed record ModelScore(string Name, int Tokens, double LogProb, int Masked)
{
    /// <summary>exp of the mean negative log-probability; NaN where nothing is scored.</summary>
    public double Perplexity => Tokens == 0 ? double.NaN : Math.Exp(-LogProb / Tokens);

    /// <summary>Per token, where they are wanted.</summary>
    public ScoreResult? Detail { get; init; }

    public static ModelScore From(string name, ScoreResult? result, bool detail) => new(
        name, result?.TokenIds.Count ?? 0, result?.LogProb ?? 0, result?.LogProbs.Count(t => float.IsNegativeInfinity(t.LogProb)) ?? 0)
    {
        Detail = detail ? result : null,
    };

    public static ModelScore operator +(ModelScore a, ModelScore b) => new(a.Name, a.Tokens + b.Tokens, a.LogProb + b.LogProb, a.Masked + b.Masked);

    /// <summary>A member of its name.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject(Name);
        json.WriteFinite("log_prob", LogProb);
        json.WriteFinite("perplexity", Perplexity);
        if (Masked > 0)
            json.WriteNumber("masked_tokens", Masked);
        if (Detail is { } detail)
            LogProbsJson.Write(json, "log_probs", detail.TokenIds, detail.Branches, detail.LogProbs);
        json.WriteEndObject();
    }
}
