using System.Text;

namespace Steer.Cli.Display;

/// <summary>Rows of figures that are written as they come: in columns, or, where the window is too narrow, each row as lines of its own.</summary>
/// <param name="headers">Of the columns, the row's name first. Lines are split at \n.</param>
/// <param name="widths">Of the columns.</param>
/// <param name="window">Columns of the window; 0 for any number.</param>
internal sealed class Columns(IReadOnlyList<string> headers, IReadOnlyList<int> widths, int window)
{
    private readonly bool _narrow = window > 0 && widths.Sum() > window;

    /// <summary>The lines above the first row; nothing where rows are written line by line.</summary>
    public string Head()
    {
        if (_narrow)
            return "";
        string[][] lines = [.. headers.Select(h => h.Split('\n'))];
        int height = lines.Max(l => l.Length);
        var head = new StringBuilder();
        for (int line = 0; line < height; line++)
            head.Append(Row([.. lines.Select(l => line < height - l.Length ? "" : l[line - height + l.Length])]));
        return head.ToString();
    }

    /// <summary>A row, line end included.</summary>
    public string Row(IReadOnlyList<string> cells)
    {
        var row = new StringBuilder();
        if (!_narrow)
        {
            for (int i = 0; i < cells.Count; i++)
                row.Append(i == 0 ? cells[i].PadRight(widths[i]) : cells[i].PadLeft(widths[i]));
            return row.ToString().TrimEnd() + "\n";
        }

        row.Append(cells[0]).Append('\n');
        for (int i = 1; i < cells.Count; i++)
        {
            if (cells[i].Length > 0)
                row.Append("  ").Append(headers[i].Replace('\n', ' ').PadRight(20)).Append(cells[i]).Append('\n');
        }

        return row.ToString();
    }
}
