using System.Buffers;
using System.Text.Json;
using Steer.Runtime.Datasets;

namespace Steer.Runtime.Sweeps;

/// <summary>One text of a sweep, as its line holds it.</summary>
/// <param name="Cell">Name of its cell.</param>
/// <param name="Id">Which of the cell's texts, from 0.</param>
/// <param name="Seed">Makes it again.</param>
/// <param name="Text">The text, without the prefix that stands between prompt and text.</param>
/// <param name="Tokens">Generated tokens, the end included.</param>
/// <param name="Finished">It ended by itself, not by the most tokens asked for.</param>
/// <param name="Entropy">Mean over its tokens of the entropy of the distribution that each was drawn from, in nats.</param>
/// <param name="Perplexity">Per token, under the expert, or under the first branch where there is no expert; null where it is not finite.</param>
public sealed record SweepText(string Cell, int Id, ulong Seed, string Text, int Tokens, bool Finished, double Entropy, double? Perplexity)
{
    /// <summary>Appends the line of an example.</summary>
    internal static void Write(string cell, DatasetExample example, IBufferWriter<byte> to)
    {
        using (var json = new Utf8JsonWriter(to, DatasetLine.Format))
        {
            json.WriteStartObject();
            json.WriteString("cell", cell);
            json.WriteNumber("id", example.Id);
            DatasetLine.WriteText(json, example, tokenIds: false);
            json.WriteEndObject();
        }

        to.Write("\n"u8);
    }

    /// <summary>Reads a line, or gives null for what is no line of a sweep.</summary>
    internal static SweepText? Parse(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var json = document.RootElement;
            var perplexity = json.GetProperty("perplexity");
            return new SweepText(
                json.GetProperty("cell").GetString()!,
                json.GetProperty("id").GetInt32(),
                json.GetProperty("seed").GetUInt64(),
                json.GetProperty("text").GetString()!,
                json.GetProperty("tokens").GetInt32(),
                json.GetProperty("finish_reason").GetString() == "stop",
                json.GetProperty("entropy").GetDouble(),
                perplexity.ValueKind == JsonValueKind.Null ? null : perplexity.GetDouble());
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return null;
        }
    }
}
