using System.CommandLine;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>How many examples a data set has, where it goes, and in what steps it is made.</summary>
internal sealed class DatasetFlags : FlagGroup
{
    private readonly Option<int?> _count;
    private readonly Option<string?> _out;
    private readonly Option<ResumeMode?> _resume;
    private readonly Option<int?> _round;
    private readonly Option<int?> _maxAttempts;
    private readonly Option<bool> _tokenIds;
    private readonly Option<bool> _dryRun;
    private readonly Option<bool> _quiet;

    public DatasetFlags()
        : base("Data set")
    {
        _count = Add(Flag.Integer("--count", "N", "Examples to make."));
        _out = Add(Flag.Path("--out", "DIR", "Folder of the job: examples.jsonl, rejected.jsonl, manifest.json, progress.json."));
        _resume = Add(ResumeFlag());
        _round = Add(Flag.Integer("--round", "N", "Items of a round; what a round accepts joins the negatives of the next. Default: 256."));
        _maxAttempts = Add(Flag.Integer("--max-attempts", "N", "Times an item is tried before it is given up. Default: 10."));
        _tokenIds = Add(Flag.Switch("--token-ids", "Lines hold the token ids."));
        _dryRun = Add(Flag.Switch("--dry-run", "Makes at most 32 examples, keeps none, and says what the job will cost."));
        _quiet = Add(Flag.Switch("--quiet", "No progress and no closing box."));
        _quiet.Aliases.Add("-q");
    }

    /// <summary>--resume, of all commands that work in a folder.</summary>
    public static Option<ResumeMode?> ResumeFlag() => Flag.Choice(
        "--resume", "What to do with a folder that holds a job. Default: if-possible.",
        ("if-possible", ResumeMode.IfPossible), ("always", ResumeMode.Always), ("never", ResumeMode.Never));

    /// <summary>Flags that do not decide which examples are made.</summary>
    public IReadOnlyList<Option> Operational => [_out, _resume, _dryRun, _quiet];

    public bool Quiet(ParseResult parsed) => parsed.GetValue(_quiet);

    public bool DryRun(ParseResult parsed) => parsed.GetValue(_dryRun);

    public ResumeMode Resume(ParseResult parsed) => parsed.GetValue(_resume) ?? ResumeMode.IfPossible;

    /// <exception cref="SteerException">It was not given.</exception>
    public string Folder(ParseResult parsed) => parsed.RequiredFolder(_out);

    /// <summary>Puts what was given into the job.</summary>
    /// <exception cref="SteerException">There is no count.</exception>
    public DatasetJobConfig Apply(ParseResult parsed, DatasetJobConfig config) => config with
    {
        Count = parsed.GetValue(_count) ?? throw new SteerException("There is no number of examples: give --count N."),
        RoundSize = parsed.GetValue(_round) ?? config.RoundSize,
        MaxAttempts = parsed.GetValue(_maxAttempts) ?? config.MaxAttempts,
        TokenIds = parsed.GetValue(_tokenIds),
    };
}
