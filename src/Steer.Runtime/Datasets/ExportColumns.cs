namespace Steer.Runtime.Datasets;

/// <summary>What the columns of a table of examples are: the same for all its files.</summary>
internal sealed class ExportColumns
{
    private static readonly string[] Last = ["tokens", "finish_reason", "seed", "gamma", "eta", "perplexity", "copied_run"];

    /// <summary>The columns of these rows.</summary>
    /// <param name="rows">All rows, so that a field that only some have is a column of every file.</param>
    /// <param name="labelled">There is a column for the label.</param>
    public ExportColumns(IEnumerable<ExportRow> rows, bool labelled)
    {
        Labelled = labelled;
        string[] first = labelled ? ["id", "label", "text"] : ["id", "text"];
        string[] names = [.. rows.SelectMany(r => r.Fields.Keys).Distinct()];
        var taken = new HashSet<string>([.. first, .. Last, .. names], StringComparer.Ordinal);
        Fields = [.. names.Select(n => (n, first.Contains(n) || Last.Contains(n) ? Free(n) : n))];
        Names = [.. first, .. Fields.Select(f => f.Column), .. Last];

        string Free(string name)
        {
            do
                name = $"field_{name}";
            while (!taken.Add(name));
            return name;
        }
    }

    /// <summary>Whether there is a column for the label.</summary>
    public bool Labelled { get; }

    /// <summary>
    /// Fields in the order in which they first come, and their columns: the same names, but field_NAME where that is the name of another column.
    /// </summary>
    public IReadOnlyList<(string Field, string Column)> Fields { get; }

    /// <summary>All columns, from left to right.</summary>
    public IReadOnlyList<string> Names { get; }
}
