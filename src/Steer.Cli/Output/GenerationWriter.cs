using System.Text.Json;
using Steer.Runtime.Engine;

namespace Steer.Cli.Output;

/// <summary>Writes generated texts: as text with an empty line between two, or as JSON lines.</summary>
internal sealed class GenerationWriter(
    ResultStream stream, bool json, string completionPrefix, int samplesPerPrompt, bool severalPrompts) : IDisposable
{
    private readonly JsonLines _lines = new(stream);
    private bool _first = true;

    /// <summary>Writes a result; its request index counts the texts of the run.</summary>
    public void Write(GenerationResult result)
    {
        string text = result.Text.StartsWith(completionPrefix, StringComparison.Ordinal) ? result.Text[completionPrefix.Length..] : result.Text;
        if (json)
            _lines.Write(members => WriteMembers(members, result, text));
        else
            stream.Write(Terminal.Utf8.GetBytes(_first ? $"{text}\n" : $"\n{text}\n"));
        _first = false;
    }

    public void Dispose() => _lines.Dispose();

    private void WriteMembers(Utf8JsonWriter json, GenerationResult result, string text)
    {
        json.WriteString("text", text);
        json.WriteIds("token_ids", result.TokenIds);
        json.WriteString("finish_reason", result.FinishReason.ToString().ToLowerInvariant());
        json.WriteNumber("seed", result.Seed);
        json.WriteNumber("index", result.RequestIndex);
        if (severalPrompts)
            json.WriteNumber("prompt_index", result.RequestIndex / samplesPerPrompt);
        if (result.LogProbs is { } logProbs)
            LogProbsJson.Write(json, "log_probs", result.TokenIds, result.Branches, logProbs);
    }
}
