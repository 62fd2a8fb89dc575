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
        return File.Exists(file)
            ? file
            : throw new SteerException($"{path}: holds no {Examples}. Give the folder of a dataset job, or a .jsonl or .txt file.");
    }

    /// <summary>Reads a set's texts, and their labels where the lines have any.</summary>
    /// <param name="path">A folder or a file.</param>
    /// <param name="labelField">Field that holds the label, of a line or of its "fields"; null for "label" where there is one.</param>
    /// <exception cref="SteerException">The file cannot be read, a line has no text, or none has a label in the field that was named.</exception>
    public static EvaluationSet Read(string path, string? labelField = null)
    {
        string file = Resolve(path);
        var texts = TextFile.ReadLabelled(file, labelField ?? "label");
        bool labelled = texts.Any(t => t.Label is not null);
        if (labelField is not null && !labelled)
            throw new SteerException($"{file}: no line has a label in a field \"{labelField}\". Give the name of a field of its JSON lines.");
        return new EvaluationSet
        {
            Name = path,
            File = file,
            Texts = [.. texts.Select(t => t.Text)],
            Labels = labelled ? [.. texts.Select(t => t.Label)] : null,
        };
    }
}
