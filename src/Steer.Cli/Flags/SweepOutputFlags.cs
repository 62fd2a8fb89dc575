using System.CommandLine;
using Steer.Cli.Output;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>Where a sweep goes, and what is measured and shown of it.</summary>
internal sealed class SweepOutputFlags : FlagGroup
{
    private readonly Option<string?> _out;
    private readonly Option<ResumeMode?> _resume;
    private readonly Option<string?> _heldout;
    private readonly Option<int?> _halfSamples;
    private readonly Option<ReportFormat?> _format;
    private readonly Option<bool> _dryRun;
    private readonly Option<bool> _quiet;

    public SweepOutputFlags()
        : base("Measurement and output")
    {
        _out = Add(Flag.Path(
            "--out", "DIR",
            "Folder of the sweep: sweep.jsonl, manifest.json, and when it is done the figures in every format (report.html, sweep.csv, " +
            "sweep.json, sweep.md), those of the page as SVG, and the embeddings."));
        _resume = Add(DatasetFlags.ResumeFlag());
        _heldout = Add(Flag.Path(
            "--heldout", "FILE",
            "Real texts that the cells are measured against. Default: the task's held-out texts, else its real examples."));
        _halfSamples = Add(Flag.Integer("--half-samples", "N", "Pairs of half-samples for the intervals. Default: 20."));
        _format = Add(ReportFlags.FormatFlag("What standard output gets: a table, or one of these. Default: a table."));
        _dryRun = Add(Flag.Switch("--dry-run", "Lists the cells, makes some texts of each, keeps none, and says what the sweep will cost."));
        _quiet = Add(Flag.Switch("--quiet", "No progress and no closing box."));
        _quiet.Aliases.Add("-q");
    }

    /// <exception cref="SteerException">It was not given.</exception>
    public string Folder(ParseResult parsed) => parsed.RequiredFolder(_out);

    public ResumeMode Resume(ParseResult parsed) => parsed.GetValue(_resume) ?? ResumeMode.IfPossible;

    /// <summary>The file of real texts to measure against.</summary>
    /// <exception cref="SteerException">There is none.</exception>
    public string Heldout(ParseResult parsed, GenerationTask? task) => parsed.GetValue(_heldout) ?? task?.Heldout ?? task?.Real
        ?? throw new SteerException("There are no real texts to measure against: give --heldout FILE.");

    /// <summary>For want of other real texts, those to measure against are the task's real examples.</summary>
    public bool MeasuresAgainstNegatives(ParseResult parsed, GenerationTask? task) => (parsed.GetValue(_heldout) ?? task?.Heldout) is null;

    public int? HalfSamples(ParseResult parsed) => parsed.GetValue(_halfSamples);

    public ReportFormat Format(ParseResult parsed) => parsed.GetValue(_format) ?? ReportFormat.Table;

    public bool DryRun(ParseResult parsed) => parsed.GetValue(_dryRun);

    public bool Quiet(ParseResult parsed) => parsed.GetValue(_quiet);
}
