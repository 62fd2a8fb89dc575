using System.Text;
using System.Text.Json;

namespace Steer.Runtime.Datasets;

/// <summary>Reads texts from a file: JSONL with a text field, or plain text with one example on each line. UTF-8.</summary>
public static class TextFile
{
    /// <summary>Reads every text; empty lines are skipped.</summary>
    /// <param name="path">A file of JSON lines by its name, or any other as plain text.</param>
    /// <param name="fields">Fields of a JSON line that may hold the text, the first found counts; "text" where none is named.</param>
    /// <exception cref="SteerException">The file cannot be read or holds no text, or a line is not as it should be; names file and line.</exception>
    public static IReadOnlyList<string> Read(string path, params string[] fields) => [.. ReadFile(path, fields, "label").Select(t => t.Text)];

    /// <summary>Reads every text with its label; null where its line has none.</summary>
    /// <param name="path">A file of JSON lines by its name, with the field "text", or any other as plain text.</param>
    /// <param name="labelField">Field of a JSON line, or of its "fields", that holds the label.</param>
    /// <exception cref="SteerException">The file cannot be read or holds no text, or a line is not as it should be; names file and line.</exception>
    public static IReadOnlyList<LabelledText> ReadLabelled(string path, string labelField = "label") => ReadFile(path, [], labelField);

    /// <summary>Reads every text of a stream of lines.</summary>
    /// <param name="reader">The lines.</param>
    /// <param name="name">Named in errors.</param>
    /// <param name="fields">Fields of a JSON line that may hold the text, the first found counts; none for plain lines.</param>
    /// <exception cref="SteerException">A line is no JSON object with such a field.</exception>
    public static IReadOnlyList<string> Read(TextReader reader, string name, IReadOnlyList<string> fields) =>
        [.. ReadLines(reader, name, fields, "label").Select(t => t.Text)];

    /// <summary>Whether a file holds JSON lines by its name: .jsonl, .ndjson or .json.</summary>
    public static bool IsJsonLines(string path) => Path.GetExtension(path).ToLowerInvariant() is ".jsonl" or ".ndjson" or ".json";

    private static List<LabelledText> ReadFile(string path, string[] fields, string labelField)
    {
        try
        {
            using var reader = new StreamReader(GitLfs.OpenRead(path), new UTF8Encoding(false, throwOnInvalidBytes: true));
            return ReadLines(reader, path, !IsJsonLines(path) ? [] : fields.Length > 0 ? fields : ["text"], labelField) is { Count: > 0 } texts
                ? texts
                : throw new SteerException($"{path}: holds no text. Give a file with a text on each line.");
        }
        catch (DecoderFallbackException e)
        {
            throw new SteerException($"{path}: is not UTF-8. Convert it first.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(path, e, "Give the path of a text or JSONL file.");
        }
    }

    private static List<LabelledText> ReadLines(TextReader reader, string name, IReadOnlyList<string> fields, string labelField)
    {
        var texts = new List<LabelledText>();
        int number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            texts.Add(fields.Count == 0 ? new LabelledText(line, null) : Parse(line, name, number, fields, labelField));
        }

        return texts;
    }

    private static LabelledText Parse(string line, string name, int number, IReadOnlyList<string> fields, string labelField)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            foreach (string field in fields)
            {
                if (document.RootElement.ValueKind == JsonValueKind.Object
                    && document.RootElement.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String)
                    return new LabelledText(value.GetString()!, Label(document.RootElement, labelField));
            }

            string names = string.Join(" or ", fields.Select(f => $"\"{f}\""));
            throw new SteerException($"{name}, line {number}: has no text in a field {names}. Give one JSON object per line.");
        }
        catch (InvalidOperationException e)
        {
            throw new SteerException($"{name}, line {number}: holds text that is no Unicode. Mend it first.", e);
        }
        catch (JsonException e)
        {
            throw new SteerException($"{name}, line {number}: is no JSON. Give one JSON object per line.", e);
        }
    }

    /// <summary>A text as it is, a number or a truth value as it is written: 0 and 1 are labels too.</summary>
    private static string? Label(JsonElement line, string field)
    {
        if (!line.TryGetProperty(field, out var label)
            && !(line.TryGetProperty("fields", out var fields) && fields.ValueKind == JsonValueKind.Object
                && fields.TryGetProperty(field, out label)))
        {
            return null;
        }

        return label.ValueKind switch
        {
            JsonValueKind.String => label.GetString(),
            JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => label.GetRawText(),
            _ => null,
        };
    }
}

/// <summary>A text of a file, and what kind of example it is; null where the file does not say.</summary>
public readonly record struct LabelledText(string Text, string? Label);
