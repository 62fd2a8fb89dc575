using System.Diagnostics;
using System.Runtime.CompilerServices;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Datasets;

/// <summary>
/// Makes a data set in a folder, and can be ended at any moment: a job that is opened again goes on where its lines end, and the files
/// are in the end the same bytes as those of a job that nothing disturbed, for any batch size and number of threads.
/// </summary>
/// <remarks>
/// Rounds (method, section 3): every item of a round draws its negatives from the pool as the round before left it. Texts are judged in the order of
/// the items, whatever the order in which they finish; what is refused comes again in the next round with a new seed.
/// </remarks>
public sealed class DatasetJob : IDisposable
{
    private const int GroupLines = 64;
    private static readonly TimeSpan GroupTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DiversityTime = TimeSpan.FromSeconds(5);

    private readonly DatasetJobConfig _config;
    private readonly DatasetFolder _folder;
    private readonly LabelPools _pools;
    private readonly JobState _state;
    private readonly TextJudge _judge;
    private readonly RecentExamples _recent;
    private readonly Stopwatch _clock = new();
    private readonly int _acceptedBefore;
    private readonly long _tokensBefore;
    private (double? Recent, double? Real) _diversity;
    private TimeSpan _diversityAt = -DiversityTime;

    private DatasetJob(DatasetJobConfig config, DatasetSources sources, DatasetFolder folder, DatasetHooks hooks)
    {
        (_config, _folder) = (config, folder);
        _pools = new LabelPools(config, sources, hooks.Embed);
        _state = new JobState(config, _pools);
        _judge = new TextJudge(config.Quality, sources.Real, hooks.Filter);
        _recent = new RecentExamples(sources.Real);
        var (examples, rejected) = JobReplay.Run(folder, config, _state, _judge, _recent);
        folder.OpenLines(examples, rejected);
        (_acceptedBefore, _tokensBefore) = (_state.Accepted, _state.Tokens);
        Progress = Measure();

        // Others can see it from the start; the last words of a complete job stay as they are.
        if (!_state.Done || !DatasetProgress.IsDone(folder.Path))
            Report();
    }

    /// <summary>How far the job is; a new record with each group of lines. May be read from any thread.</summary>
    public DatasetProgress Progress { get; private set; }

    /// <summary>Makes or opens the folder of a job and reads what it holds.</summary>
    /// <param name="config">What to make.</param>
    /// <param name="sources">What it is made from.</param>
    /// <param name="folder">Where the files go; made where it is missing.</param>
    /// <param name="resume">What to do where it holds a job.</param>
    /// <param name="hooks">What the caller adds to it; null for nothing.</param>
    /// <exception cref="SteerException">The folder holds another job, another process is at work in it, or it cannot be written.</exception>
    public static DatasetJob Open(
        DatasetJobConfig config, DatasetSources sources, string folder, ResumeMode resume = ResumeMode.IfPossible, DatasetHooks? hooks = null)
    {
        config.Check();
        var opened = DatasetFolder.Open(folder, resume, DatasetManifest.Create(config, sources));
        try
        {
            return new DatasetJob(config, sources, opened, hooks ?? new DatasetHooks());
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Runs the job to its end. A cancelled job is resumed by opening its folder again.</summary>
    /// <param name="engine">Makes the texts; its models must be those that the sources hash.</param>
    /// <param name="cancellationToken">Ends the run; what was judged by then is kept.</param>
    /// <returns>Accepted examples, each once its line is on disk; those of runs before are not among them.</returns>
    /// <exception cref="SteerException">A request cannot be served, or the disk is full.</exception>
    public async IAsyncEnumerable<DatasetExample> RunAsync(SteerEngine engine, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var planner = new ItemPlanner(_config, text => engine.Tokenizer?.Encode(text, addSpecialTokens: false).Length ?? 0);
        var group = new List<DatasetExample>();
        _clock.Restart();
        try
        {
            while (!_state.Done)
            {
                int lines = 0;
                var committed = _clock.Elapsed;
                var planned = new Queue<PlannedItem>();
                await foreach (var result in engine.GenerateAsync(Requests(planner, planned), ordered: true, cancellationToken).ConfigureAwait(false))
                {
                    var item = planned.Dequeue();
                    var example = _judge.Judge(DatasetExample.Of(item, result, _config.CompletionPrefix, i => _pools.NameOf(item.Item.Id, i)));
                    _folder.Append(example, _config.TokenIds);
                    Take(example, group);
                    if (++lines % GroupLines != 0 && _clock.Elapsed - committed < GroupTime)
                        continue;
                    Commit();
                    committed = _clock.Elapsed;
                    foreach (var accepted in Drain(group))
                        yield return accepted;
                }

                Commit();
                foreach (var accepted in Drain(group))
                    yield return accepted;
            }
        }
        finally
        {
            Commit();
        }
    }

    /// <summary>Gives the folder back.</summary>
    public void Dispose() => _folder.Dispose();

    /// <summary>The requests of what is left of the round. Planned as the engine takes them up, while texts before them are judged.</summary>
    private IEnumerable<GenerationRequest> Requests(ItemPlanner planner, Queue<PlannedItem> planned)
    {
        var (items, round) = (_state.Items, _state.Round);
        for (int i = _state.Judged; i < items.Count; i++)
        {
            var item = planner.Plan(_pools.Of(items[i].Id), round, items[i]);
            planned.Enqueue(item);
            yield return item.Request;
        }
    }

    private void Take(DatasetExample example, List<DatasetExample> group)
    {
        if (example.Rejection is { } rejection)
        {
            _state.Reject(rejection.Reason, example.TokenIds.Count);
            return;
        }

        _state.Accept(example.Text, example.TokenIds.Count);
        _recent.Add(example.Text);
        group.Add(example);
    }

    private void Commit()
    {
        _folder.Commit();
        Report();
    }

    private void Report()
    {
        if (_state.Done || _clock.Elapsed - _diversityAt > DiversityTime)
            (_diversity, _diversityAt) = (_recent.Diversity(), _clock.Elapsed);
        Progress = Measure();
        _folder.Replace(DatasetFolder.ProgressName, Progress.Serialize(), flush: false);
    }

    private DatasetProgress Measure()
    {
        double seconds = _clock.Elapsed.TotalSeconds;
        int made = _state.Accepted - _acceptedBefore, left = _config.ItemCount - _state.Accepted - _state.GivenUp;
        return new DatasetProgress
        {
            Count = _config.ItemCount,
            Accepted = _state.Accepted,
            GivenUp = _state.GivenUp,
            Rejected = new SortedDictionary<string, long>(_state.Rejected.ToDictionary(), StringComparer.Ordinal),
            Round = _state.Round,
            Done = _state.Done,
            Tokens = _state.Tokens,
            Seconds = seconds,
            TokensPerSecond = seconds > 0 ? (_state.Tokens - _tokensBefore) / seconds : 0,
            SecondsLeft = made > 0 ? seconds / made * left : null,
            Diversity = _diversity.Recent,
            RealDiversity = _diversity.Real,
            LastTexts = _recent.Last,
        };
    }

    private static DatasetExample[] Drain(List<DatasetExample> group)
    {
        DatasetExample[] accepted = [.. group];
        group.Clear();
        return accepted;
    }
}
