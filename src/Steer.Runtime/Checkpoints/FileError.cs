namespace Steer.Runtime.Checkpoints;

/// <summary>Makes the one-line errors of the loaders.</summary>
internal static class FileError
{
    private const int MaxLength = 1000;

    /// <summary>
    /// An error of the form "file: problem". Names inside come from hostile files, so control characters are replaced and the line is cut.
    /// </summary>
    public static SteerException At(string file, string problem, Exception? inner = null)
    {
        string line = $"{file}: {problem}";
        if (line.Length > MaxLength)
            line = string.Concat(line.AsSpan(0, MaxLength), "...");
        line = string.Create(line.Length, line, static (span, text) =>
        {
            for (int i = 0; i < span.Length; i++)
                span[i] = char.IsControl(text[i]) || text[i] is '\u2028' or '\u2029' ? '?' : text[i];
        });
        return inner is null ? new SteerException(line) : new SteerException(line, inner);
    }

    /// <summary>[2, 3] as config.json and Python print it.</summary>
    public static string Shape(IEnumerable<long> shape) => $"[{string.Join(", ", shape)}]";
}
