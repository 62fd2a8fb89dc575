using System.Globalization;
using System.Text;
using Steer.Cli.Display;
using Steer.Cli.Runs;

namespace Steer.Cli.Output;

/// <summary>Writes scores as they come, and their totals: columns, or JSON lines.</summary>
internal sealed class ScoreWriter(ResultStream stream, bool json, bool narrow) : IDisposable
{
    private const int NumberWidth = 11;
    private readonly JsonLines _lines = new(stream);
    private ModelScore[]? _totals;
    private int _texts;

    /// <summary>Sums over all texts; one for each distribution.</summary>
    public IReadOnlyList<ModelScore> Totals => _totals ?? [];

    public void Write(ScoredText text, IReadOnlyList<ModelScore> scores)
    {
        if (_totals is null && !json && !narrow)
            WriteHeader(scores);
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

    private void WriteHeader(IReadOnlyList<ModelScore> scores)
    {
        var names = new StringBuilder("            ");
        var columns = new StringBuilder("text  tokens");
        foreach (var score in scores)
        {
            names.Append(score.Name.PadLeft(2 * NumberWidth));
            columns.Append("log-prob".PadLeft(NumberWidth)).Append("perplexity".PadLeft(NumberWidth));
        }

        Write($"{names}\n{columns}\n");
    }

    private void WriteRow(string name, IReadOnlyList<ModelScore> scores)
    {
        string tokens = Figures.Count(scores[0].Tokens);
        var row = new StringBuilder(narrow ? $"{name}: {tokens} tokens" : $"{name,4}{tokens,8}");
        foreach (var score in scores)
        {
            string logProb = Figures.Number(score.LogProb), perplexity = Figures.Number(score.Perplexity);
            if (narrow)
                row.Append(CultureInfo.InvariantCulture, $"\n  {score.Name,-6} {logProb,NumberWidth}  perplexity {perplexity}");
            else
                row.Append(logProb.PadLeft(NumberWidth)).Append(perplexity.PadLeft(NumberWidth));
        }

        Write(row.Append('\n').ToString());
    }

    private void Write(string text) => stream.Write(Terminal.Utf8.GetBytes(text));
}
