using System.Diagnostics;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Sweeps;

/// <summary>
/// Makes the texts of a sweep in a folder, all cells as rows of one continuous batch, and can be ended at any moment: a sweep that is opened again
/// goes on where its lines end, and sweep.jsonl is in the end the same bytes as that of a sweep that nothing disturbed, for any batch size and number
/// of threads.
/// </summary>
public sealed class SweepJob : IDisposable
{
    /// <summary>The file of texts.</summary>
    public const string TextsName = "sweep.jsonl";

    private const int GroupLines = 64;
    private static readonly TimeSpan GroupTime = TimeSpan.FromSeconds(1);

    private readonly SweepConfig _config;
    private readonly JobFolder _folder;
    private readonly SweepState _state;
    private readonly NegativePool _real;
    private readonly Stopwatch _clock = new();
    private readonly long _tokensBefore;
    private readonly int _textsBefore;
    private SweepText? _last;

    private SweepJob(SweepConfig config, DatasetSources sources, JobFolder folder)
    {
        (_config, _folder) = (config, folder);
        _real = new NegativePool(sources.Real);
        _state = new SweepState(config);
        folder.OpenLines(Replay());
        (_tokensBefore, _textsBefore) = (_state.Tokens, _state.Texts);
        Progress = Measure();
    }

    /// <summary>How far the sweep is; a new record with each group of lines. May be read from any thread.</summary>
    public SweepProgress Progress { get; private set; }

    /// <summary>The file of texts.</summary>
    public string TextsPath => _folder.In(TextsName);

    /// <summary>The texts, once the sweep is done.</summary>
    /// <exception cref="InvalidOperationException">It is not.</exception>
    public SweepTexts Texts => _state.Done ? new SweepTexts(_state) : throw new InvalidOperationException("The sweep is not done.");

    /// <summary>Makes or opens the folder of a sweep and reads what it holds.</summary>
    /// <param name="config">What to make.</param>
    /// <param name="sources">What it is made from.</param>
    /// <param name="folder">Where the files go; made where it is missing.</param>
    /// <param name="resume">What to do where it holds a job.</param>
    /// <exception cref="SteerException">The folder holds another job, another process is at work in it, or it cannot be written.</exception>
    public static SweepJob Open(SweepConfig config, DatasetSources sources, string folder, ResumeMode resume = ResumeMode.IfPossible)
    {
        config.Check();
        var opened = JobFolder.Open(folder, resume, DatasetManifest.Create(config, sources), TextsName);
        try
        {
            return new SweepJob(config, sources, opened);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Runs the sweep to its end. A cancelled sweep is resumed by opening its folder again.</summary>
    /// <param name="engine">Makes the texts; its models must be those that the sources hash.</param>
    /// <param name="cancellationToken">Ends the run; what was made by then is kept.</param>
    /// <exception cref="SteerException">A cell cannot be served, or the disk is full.</exception>
    public async Task RunAsync(SteerEngine engine, CancellationToken cancellationToken = default)
    {
        foreach (var cell in _state.StageCells)
            engine.Check(Planner(cell, engine).Plan(_real, round: 0, new DatasetItem(0, 0)).Request);
        _clock.Restart();
        try
        {
            while (!_state.Done)
            {
                var planned = new Queue<(SweepCell Cell, PlannedItem Item)>();
                var committed = _clock.Elapsed;
                int lines = 0;
                await foreach (var result in engine.GenerateAsync(Requests(engine, planned), ordered: true, cancellationToken).ConfigureAwait(false))
                {
                    Take(planned.Dequeue(), result);
                    if (++lines % GroupLines != 0 && _clock.Elapsed - committed < GroupTime)
                        continue;
                    Commit();
                    committed = _clock.Elapsed;
                }
            }
        }
        finally
        {
            Commit();
        }
    }

    /// <summary>Writes a file of the folder as a whole.</summary>
    /// <param name="name">Its name, or a path within the folder.</param>
    /// <param name="content">What it holds.</param>
    /// <exception cref="SteerException">It cannot be written.</exception>
    public void Write(string name, ReadOnlyMemory<byte> content) => _folder.Replace(name, content, flush: true);

    /// <summary>Gives the folder back.</summary>
    public void Dispose() => _folder.Dispose();

    /// <summary>The requests of what is left of the stage, planned as the engine takes them up.</summary>
    private IEnumerable<GenerationRequest> Requests(SteerEngine engine, Queue<(SweepCell Cell, PlannedItem Item)> planned)
    {
        var planners = _state.StageCells.ToDictionary(c => c, c => Planner(c, engine));
        SweepCell[] cells = [.. _state.StageCells];
        int made = _state.Made, all = _state.StageTexts;
        for (int place = made; place < all; place++)
        {
            var cell = cells[place % cells.Length];
            var item = planners[cell].Plan(_real, round: 0, new DatasetItem(place / cells.Length, 0));
            planned.Enqueue((cell, item));
            yield return item.Request;
        }
    }

    private ItemPlanner Planner(SweepCell cell, SteerEngine engine) =>
        new(_config.JobOf(cell), text => engine.Tokenizer?.Encode(text, addSpecialTokens: false).Length ?? 0);

    private void Take((SweepCell Cell, PlannedItem Item) planned, GenerationResult result)
    {
        var example = DatasetExample.Of(planned.Item, result, _config.CompletionPrefix, index => $"real:{index}");
        SweepText.Write(planned.Cell.Name, example, _folder.Lines(0));
        _last = new SweepText(
            planned.Cell.Name, example.Id, example.Seed, example.Text, example.TokenIds.Count, example.FinishReason == FinishReason.Stop,
            example.Entropy, double.IsFinite(example.Perplexity) ? example.Perplexity : null);
        _state.Add(_last);
    }

    /// <summary>Takes in the lines of the folder.</summary>
    /// <returns>The length of the good part of the file.</returns>
    /// <exception cref="SteerException">A line is not as this sweep writes it; names file and line.</exception>
    private long Replay()
    {
        using var file = new LineFile(_folder.In(TextsName));
        while (file.Next())
        {
            var text = SweepText.Parse(file.Line.ToArray())
                ?? throw new SteerException($"{file.Path}, line {file.Number}: is no line of a sweep. Restore it, or give another folder.");
            bool expected = !_state.Done && _state.At(_state.Made) is var (cell, id)
                && text.Cell == cell.Name && text.Id == id && text.Seed == ItemPlanner.Seed(_config.Seed, new DatasetItem(id, 0));
            if (!expected)
            {
                throw new SteerException(
                    $"{file.Path}, line {file.Number}: is not what this sweep writes there (text {text.Id} of {text.Cell}). Restore the file, " +
                    "or give another folder.");
            }

            _state.Add(text);
        }

        return file.Start;
    }

    private void Commit()
    {
        _folder.Commit();
        Progress = Measure();
    }

    private SweepProgress Measure()
    {
        double seconds = _clock.Elapsed.TotalSeconds;
        int made = _state.Texts - _textsBefore;
        return new SweepProgress
        {
            Cells = _state.Cells.Count,
            Stage = _state.Stage,
            Made = _state.Made,
            StageTexts = _state.StageTexts,
            Texts = _state.Texts,
            OpenSearches = _state.OpenSearches,
            Tokens = _state.Tokens,
            Seconds = seconds,
            TokensPerSecond = seconds > 0 ? (_state.Tokens - _tokensBefore) / seconds : 0,
            SecondsLeft = made > 0 ? seconds / made * (_state.StageTexts - _state.Made) : null,
            Done = _state.Done,
            LastText = _last,
        };
    }
}
