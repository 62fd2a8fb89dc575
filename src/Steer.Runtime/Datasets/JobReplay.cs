namespace Steer.Runtime.Datasets;

/// <summary>Brings a new job's state to where the lines of its folder end.</summary>
internal static class JobReplay
{
    /// <summary>Goes through the lines of both files in the order in which they were judged.</summary>
    /// <returns>The lengths of both files up to which they agree: what lies behind was not committed, and is made again.</returns>
    /// <exception cref="SteerException">A line is not as this job wrote it; names file and line.</exception>
    public static (long Examples, long Rejected) Run(
        DatasetFolder folder, DatasetJobConfig config, JobState state, TextJudge judge, RecentExamples recent)
    {
        try
        {
            using var examples = new LineFile(folder.Examples);
            using var rejected = new LineFile(folder.Rejected);
            DatasetLine? accepted = Next(examples, wantsReason: false), refused = Next(rejected, wantsReason: true);
            while (!state.Done)
            {
                if (IsCurrent(accepted, state, config))
                {
                    judge.Remember(accepted!.Id, DuplicateIndex.Describe(TextWords.Of(accepted.Text)));
                    state.Accept(accepted.Text, accepted.Tokens);
                    recent.Add(accepted.Text);
                    accepted = Next(examples, wantsReason: false);
                }
                else if (IsCurrent(refused, state, config))
                {
                    state.Reject(refused!.Reason!, refused.Tokens);
                    refused = Next(rejected, wantsReason: true);
                }
                else
                {
                    break;
                }
            }

            var ends = (examples.Start, rejected.Start);
            CheckTail(examples, accepted, state, config);
            CheckTail(rejected, refused, state, config);
            return ends;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(folder.Path, e, "Mend it and run the same command again.");
        }
    }

    /// <summary>
    /// Lines behind a gap: a crash of the machine can keep those of one file and lose some of the other's, but only of the group that
    /// was being written, which is of one round.
    /// </summary>
    private static void CheckTail(LineFile file, DatasetLine? line, JobState state, DatasetJobConfig config)
    {
        for (; line is not null; line = Next(file, line.Reason is not null))
        {
            bool current = !state.Done && line.Round == state.Round && state.Items.Skip(state.Judged).Any(i => Matches(line, i, config));
            if (!current)
            {
                throw new SteerException(
                    $"{file.Path}, line {file.Number}: is not what this job writes there (item {line.Id} of round {line.Round}). " +
                    "Restore the file, or give another folder.");
            }
        }
    }

    private static bool IsCurrent(DatasetLine? line, JobState state, DatasetJobConfig config) =>
        line is not null && line.Round == state.Round && Matches(line, state.Current, config);

    private static bool Matches(DatasetLine line, DatasetItem item, DatasetJobConfig config) =>
        line.Id == item.Id && line.Attempt == item.Attempt && line.Seed == ItemPlanner.Seed(config.Seed, item);

    private static DatasetLine? Next(LineFile file, bool wantsReason)
    {
        if (!file.Next())
            return null;
        var line = DatasetLine.Parse(file.Line);
        return line is not null && wantsReason == line.Reason is not null
            ? line
            : throw new SteerException($"{file.Path}, line {file.Number}: is no line of a job. Restore it, or give another folder.");
    }
}
