using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Steer.Runtime.Datasets;

/// <summary>What a resumed job needs of a line.</summary>
/// <param name="Id">The item.</param>
/// <param name="Round">Its round.</param>
/// <param name="Attempt">Its attempt.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="Tokens">Generated tokens.</param>
/// <param name="Text">The text.</param>
/// <param name="Reason">Why it was refused; null for an accepted one.</param>
internal sealed record DatasetLine(int Id, int Round, int Attempt, ulong Seed, int Tokens, string Text, string? Reason)
{
    /// <summary>Characters of any script as they are.</summary>
    public static readonly JsonWriterOptions Format = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Appends an example's line. It depends on the example alone: no time of day, no order of a dictionary.</summary>
    public static void Write(DatasetExample example, bool tokenIds, IBufferWriter<byte> to)
    {
        using (var json = new Utf8JsonWriter(to, Format))
        {
            json.WriteStartObject();
            json.WriteNumber("id", example.Id);
            json.WriteNumber("round", example.Round);
            json.WriteNumber("attempt", example.Attempt);
            if (example.Rejection is { } rejection)
            {
                json.WriteString("reason", rejection.Reason);
                if (rejection.Of is not null)
                    json.WriteString("of", rejection.Of);
            }

            if (example.Label is not null)
                json.WriteString("label", example.Label);
            WriteText(json, example, tokenIds);
            json.WriteNumber("copied_run", example.CopiedRun);
            json.WriteEndObject();
        }

        to.Write("\n"u8);
    }

    /// <summary>Reads a line, or gives null for what is no line of a job.</summary>
    public static DatasetLine? Parse(ReadOnlySpan<byte> line)
    {
        int? id = null, round = null, attempt = null, tokens = null;
        ulong? seed = null;
        string? text = null, reason = null;
        try
        {
            var json = new Utf8JsonReader(line);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
                return null;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                if (json.ValueTextEquals("id"u8))
                    id = Number(ref json);
                else if (json.ValueTextEquals("round"u8))
                    round = Number(ref json);
                else if (json.ValueTextEquals("attempt"u8))
                    attempt = Number(ref json);
                else if (json.ValueTextEquals("tokens"u8))
                    tokens = Number(ref json);
                else if (json.ValueTextEquals("seed"u8))
                    seed = json.Read() && json.TokenType == JsonTokenType.Number && json.TryGetUInt64(out ulong value) ? value : null;
                else if (json.ValueTextEquals("text"u8))
                    text = String(ref json);
                else if (json.ValueTextEquals("reason"u8))
                    reason = String(ref json);
                else
                    json.Skip();
            }

            while (json.Read())
            {
                // What follows the object must be nothing; the reader throws where it is something.
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }

        return id is { } i && round is { } r && attempt is { } a && tokens is { } t && seed is { } s && text is not null
            ? new DatasetLine(i, r, a, s, t, text, reason)
            : null;
    }

    /// <summary>Writes what the engine made: the text, its end, its seed and negatives, and the figures of its tokens.</summary>
    public static void WriteText(Utf8JsonWriter json, DatasetExample example, bool tokenIds)
    {
        json.WriteString("text", example.Text);
        if (example.Fields.Count > 0)
            WriteFields(json, example);
        json.WriteNumber("tokens", example.TokenIds.Count);
        if (tokenIds)
            WriteTokenIds(json, example);
        json.WriteString("finish_reason", example.FinishReason.ToString().ToLowerInvariant());
        json.WriteNumber("seed", example.Seed);
        if (example.Gamma is { } gamma)
            json.WriteNumber("gamma", gamma);
        json.WriteNumber("eta", example.Eta);
        json.WriteStartArray("negatives");
        foreach (string negative in example.Negatives)
            json.WriteStringValue(negative);
        json.WriteEndArray();
        json.WriteStartObject("log_probs");
        foreach (var (branch, value) in example.LogProbs)
            json.WriteFinite(branch, value);
        json.WriteEndObject();
        json.WriteFinite("perplexity", example.Perplexity);
        json.WriteFinite("entropy", example.Entropy);
    }

    private static int? Number(ref Utf8JsonReader json) =>
        json.Read() && json.TokenType == JsonTokenType.Number && json.TryGetInt32(out int value) ? value : null;

    private static string? String(ref Utf8JsonReader json) => json.Read() && json.TokenType == JsonTokenType.String ? json.GetString() : null;

    private static void WriteFields(Utf8JsonWriter json, DatasetExample example)
    {
        json.WriteStartObject("fields");
        foreach (var (name, value) in example.Fields)
            json.WriteString(name, value);
        json.WriteEndObject();
    }

    private static void WriteTokenIds(Utf8JsonWriter json, DatasetExample example)
    {
        json.WriteStartArray("token_ids");
        foreach (int id in example.TokenIds)
            json.WriteNumberValue(id);
        json.WriteEndArray();
    }
}
