using System.Globalization;
using Steer.Cli.Display;
using Steer.Cli.Runs;

namespace Steer.Cli.Output;

/// <summary>Writes scores as they come, and their totals: columns, or JSON lines.</summary>
/// <param name="stream">Where to.</param>
/// <param name="json">As JSON.</param>
/// <param name="window">Columns of the window; 0 for any number.</param>
internal sealed class ScoreWriter(ResultStream stream, bool json, int window) : IDisposable
{
    private readonly JsonLines _lines = new(stream);
    private ModelScore[]? _totals;
    private Columns? _columns;
    private int _texts;

    /// <summary>Sums over all texts; one for each distribution.</summary>
    public IReadOnlyList<ModelScore> Totals => _totals ?? [];

    public void Write(ScoredText text, IReadOnlyList<ModelScore> scores)
    {
        if (json)
            WriteLine(text, scores);
        else
            WriteRow((_texts + 1).ToString(CultureInfo.InvariantCulture), scores);
        _totals = [.. _totals is null ? scores.Select(s => s with { Detail = null }) : _totals.Zip(scores, (a, b) => a + b)];
        _texts++;
    }

    public void WriteTotals()
    {
        if (_totals is null)
            return;
        if (!json)
        {
            WriteRow("all", _totals);
            return;
        }

        _lines.Write(members =>
        {
            members.WriteStartObject("total");
            members.WriteNumber("texts", _texts);
            members.WriteNumber("tokens", _totals[0].Tokens);
            foreach (var score in _totals)
                score.Write(members);
            members.WriteEndObject();
        });
    }

    public void Dispose() => _lines.Dispose();

    private void WriteLine(ScoredText text, IReadOnlyList<ModelScore> scores) => _lines.Write(members =>
    {
        members.WriteNumber("index", _texts);
        if (text.Text is not null)
            members.WriteString("text", text.Text);
        members.WriteIds("token_ids", text.Completion);
        members.WriteNumber("tokens", text.Completion.Length);
        foreach (var score in scores)
            score.Write(members);
    });

    private void WriteRow(string name, IReadOnlyList<ModelScore> scores)
    {
        if (_columns is null)
        {
            _columns = new Columns(
                ["text", "tokens", .. scores.SelectMany(s => new[] { $"{s.Name}\nlog-prob", $"{s.Name}\nperplexity" })],
                [5, 7, .. scores.SelectMany(_ => new[] { 11, 11 })],
                window);
            Write(_columns.Head());
        }

        Write(_columns.Row(
            [name, Figures.Count(scores[0].Tokens), .. scores.SelectMany(s => new[] { Figures.Number(s.LogProb), Figures.Number(s.Perplexity) })]));
    }

    private void Write(string text)
    {
        if (text.Length > 0)
            stream.Write(Terminal.Utf8.GetBytes(text));
    }
}
