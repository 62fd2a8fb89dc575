using System.Text.Json;
using Steer.Runtime.Datasets;

namespace Steer.Runtime.Evaluation;

/// <summary>Reads the sets that are evaluated: the folder of a dataset job, JSON lines, or plain text with one example on each line.</summary>
public static class EvaluationFile
{
    private const string Examples = "examples.jsonl";

    /// <summary>The file with the texts of a set: that in the folder of a job, or the path itself.</summary>
    /// <exception cref="SteerException">A folder holds no examples.</exception>
    public static string Resolve(string path)
    {
        if (!Directory.Exists(path))
            return path;
        string file = Path.Combine(path, Examples);
        return File.Exists(file) ? file : throw new SteerException($"{path}: holds no {Examples}. Give the folder of a dataset job, or a .jsonl or .txt file.");
    }

    /// <summary>Reads a set's texts, and their labels where the lines have any.</summary>
    /// <param name="path">A folder or a file.</param>
    /// <param name="labelField">Field that holds the label, of a line or of its "fields"; null for "label" where there is one.</param>
    /// <exception cref="SteerException">The file cannot be read, a line has no text, or some lines have a label and others none.</exception>
    public static EvaluationSet Read(string path, string? labelField = null)
    {
        string file = Resolve(path);
        bool json = Path.GetExtension(file).ToLowerInvariant() is ".jsonl" or ".ndjson";
        if (!json && labelField is not null)
            throw new SteerException($"{file}: is plain text and has no field \"{labelField}\". Give JSON lines for labels.");
        var texts = TextFile.Read(file);
        return new EvaluationSet { Name = path, File = file, Texts = texts, Labels = json ? Labels(file, labelField) : null };
    }

    private static IReadOnlyList<string>? Labels(string file, string? field)
    {
        var labels = new List<string>();
        int number = 0, missing = 0;
        foreach (string line in File.ReadLines(file))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            if (Label(line, field ?? "label", file, number) is { } label)
                labels.Add(label);
            else if (missing == 0)
                missing = number;
        }

        if (labels.Count == 0 && field is null)
            return null;
        return missing == 0 ? labels : throw new SteerException($"{file}, line {missing}: has no label in a field \"{field ?? "label"}\". Give each text one.");
    }

    private static string? Label(string line, string field, string file, int number)
    {
        using var document = JsonDocument.Parse(line);
        JsonElement root = document.RootElement;
        if (!root.TryGetProperty(field, out var value)
            && !(root.TryGetProperty("fields", out var fields) && fields.ValueKind == JsonValueKind.Object && fields.TryGetProperty(field, out value)))
            return null;
        try
        {
            return value.ValueKind switch
            {
                JsonValueKind.String => value.GetString(),
                JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
                _ => null,
            };
        }
        catch (InvalidOperationException e)
        {
            throw new SteerException($"{file}, line {number}: holds a label that is no Unicode. Mend it first.", e);
        }
    }
}
