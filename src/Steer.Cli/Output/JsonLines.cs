using System.Buffers;
using System.Text.Json;

namespace Steer.Cli.Output;

/// <summary>One compact JSON object per line; UTF-8 as it is.</summary>
internal sealed class JsonLines(ResultStream stream) : IDisposable
{
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly Utf8JsonWriter _json = new(Stream.Null, new JsonWriterOptions { Encoder = JsonText.Encoder });

    /// <summary>Writes an object whose members <paramref name="members"/> writes.</summary>
    public void Write(Action<Utf8JsonWriter> members)
    {
        _buffer.ResetWrittenCount();
        _json.Reset(_buffer);
        _json.WriteStartObject();
        members(_json);
        _json.WriteEndObject();
        _json.Flush();
        _buffer.Write("\n"u8);
        stream.Write(_buffer.WrittenSpan);
    }

    public void Dispose() => _json.Dispose();
}

/// <summary>Members of several values.</summary>
internal static class JsonExtensions
{
    /// <summary>A list of whole numbers.</summary>
    public static void WriteIds(this Utf8JsonWriter json, string name, IReadOnlyList<int> ids)
    {
        json.WriteStartArray(name);
        foreach (int id in ids)
            json.WriteNumberValue(id);
        json.WriteEndArray();
    }
}
