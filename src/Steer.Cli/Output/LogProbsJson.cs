using System.Text.Json;
using Steer.Runtime;
using Steer.Runtime.Engine;

namespace Steer.Cli.Output;

/// <summary>Log-probabilities of tokens, in nats; minus infinity is null.</summary>
internal static class LogProbsJson
{
    /// <summary>An object for each token: guided, by branch, and the best tokens where they were asked for.</summary>
    public static void Write(
        Utf8JsonWriter json, string name, IReadOnlyList<int> tokenIds, IReadOnlyList<string> branches, IReadOnlyList<TokenLogProbs> logProbs)
    {
        json.WriteStartArray(name);
        for (int i = 0; i < logProbs.Count; i++)
        {
            json.WriteStartObject();
            json.WriteNumber("token_id", tokenIds[i]);
            json.WriteFinite("log_prob", logProbs[i].LogProb);
            json.WriteFinite("entropy", logProbs[i].Entropy);
            if (logProbs[i].Temperature > 0)
                json.WriteFinite("temperature", logProbs[i].Temperature);
            json.WriteStartObject("branches");
            for (int branch = 0; branch < branches.Count; branch++)
                json.WriteFinite(branches[branch], logProbs[i].BranchLogProbs[branch]);
            json.WriteEndObject();
            json.WriteStartArray("alternatives");
            foreach (var alternative in logProbs[i].Alternatives)
            {
                json.WriteStartObject();
                json.WriteNumber("token_id", alternative.TokenId);
                json.WriteFinite("log_prob", alternative.LogProb);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
