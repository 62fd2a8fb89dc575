using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using System.Threading.Channels;
using Steer.Kernels;
using Steer.Kernels.Profiling;
using Steer.Runtime.Chat;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Guidance;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Engine;

/// <summary>
/// Loads a base and its experts once and generates steered text with them. All calls, from any thread, share one continuous batch:
/// rows of base, expert and negative branches of all texts go through each weight together.
/// </summary>
/// <remarks>A text depends on its request and seed alone: not on what else runs, nor on the number of threads.</remarks>
public sealed class SteerEngine : IDisposable
{
    private readonly Device _device;
    private readonly ModelSet _models;
    private readonly ModelRunner _runner;
    private readonly BlockPool[] _pools;
    private readonly EngineLoop _loop;
    private readonly EngineProfiler? _profiler;
    private readonly RequestPlanner _planner;
    private readonly int _maxSubmitted;
    private readonly CacheBudget _budget;
    private readonly long _synchronisations;
    private bool _disposed;

    private SteerEngine(EngineOptions options, Device device, ModelSet models, CacheBudget budget, StepLimits limits, ModelRunner runner)
    {
        _device = device;
        _models = models;
        ModelName = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.Expert ?? options.Base)));

        // Twice what runs at once, so that a text is ready wherever another ends.
        _maxSubmitted = 2 * options.MaxBatch;
        _budget = budget;
        _runner = runner;
        int blocks = _runner.CreateCaches(_budget);
        if (blocks < _budget.Blocks)
            Warnings = [_budget.ShrunkTo(blocks)];
        _pools = [.. models.Shapes.Select(_ => new BlockPool(blocks, options.SharePrefixes))];
        var decoderOf = models.Variants.ToDictionary(v => v.Variant, v => v.Decoder);
        _planner = new RequestPlanner(models, new CapacityCheck(models, _pools, decoderOf, limits));
        _synchronisations = device.Counters.Synchronisations;
        _profiler = device is ProfiledDevice profiled ? new EngineProfiler(profiled) : null;
        _loop = new EngineLoop(device, _runner, new Scheduler(_pools, decoderOf, limits), new OutputProcessor(models, _runner), _profiler);
    }

    /// <summary>The tokenizer of the models; null where the base comes without one, and then requests give token ids.</summary>
    public Tokenizer? Tokenizer => _models.Tokenizer;

    /// <summary>Name of the folder or file of the model that texts come from: the expert's, or the base's where there is no expert.</summary>
    public string ModelName { get; }

    /// <summary>The device, in words.</summary>
    public string DeviceDescription => _device.Description;

    /// <summary>One line for each thing that loading did otherwise than asked.</summary>
    public IReadOnlyList<string> Warnings { get; } = [];

    /// <summary>What the engine did so far, and the memory it holds.</summary>
    public EngineStatistics Statistics => _loop.Statistics with
    {
        SharedRows = _pools.Sum(p => p.SharedPositions),
        WeightBytes = _models.WeightBytes,
        AdapterBytes = _models.AdapterBytes,
        KvCacheBytes = _pools.Zip(_models.Shapes).Sum(p => _budget.Shape(p.Second, p.First.Count).Bytes),
        KvPeakBytes = _pools.Zip(_models.Shapes).Sum(p => _budget.Shape(p.Second, p.First.PeakUsed).Bytes),
        Synchronisations = _device.Counters.Synchronisations - _synchronisations,
        ScratchBytes = _runner.ScratchBytes,
    };

    /// <summary>
    /// How the models want a conversation written: the chat template beside the tokenizer that was given, else the expert's, else the base's; null
    /// where there is none, and then requests cannot have <see cref="GenerationRequest.Messages"/>.
    /// </summary>
    /// <exception cref="SteerException">It is damaged.</exception>
    public ChatTemplate? ChatTemplate => _models.ChatTemplateOf(Variant.Expert);

    /// <summary>Longest context of the models, in tokens.</summary>
    public int MaxPositions => _models.Shapes.Min(s => s.MaxPositions);

    /// <summary>The largest <see cref="EngineOptions.MaxLength"/> that makes a difference: the models' own window, in tokens.</summary>
    public int WindowLimit => _models.Shapes.Min(s => s.WindowLimit);

    /// <summary>Tokens that every loaded model knows: ids go from 0 to one less.</summary>
    public int VocabSize => _models.Shapes.Min(s => s.VocabSize);

    /// <summary>Token that begins a text, or null.</summary>
    public int? BosId => _models.BosId;

    /// <summary>Tokens that end a text.</summary>
    public IReadOnlyList<int> EosIds => _models.EosIds;

    /// <summary>Opens the device, loads and packs the models, and starts the engine's thread.</summary>
    /// <param name="options">What to load.</param>
    /// <param name="progress">Called on this thread with the path being loaded and the share of it that is done, 0 to 1.</param>
    /// <exception cref="SteerException">A file, an option or the device is not as it should be; one line says what to do.</exception>
    public static SteerEngine Load(EngineOptions options, Action<string, double>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        var device = Open(options);
        return Load(options, options.Profile ? new ProfiledDevice(device) : device, progress);
    }

    /// <summary>Loads onto an open device, which the engine disposes.</summary>
    internal static SteerEngine Load(EngineOptions options, Device device, Action<string, double>? progress = null)
    {
        ModelSet? models = null;
        ModelRunner? runner = null;
        try
        {
            models = ModelSet.Load(options, device, progress);
            var budget = new CacheBudget(options, models, device.MemoryBytes);
            var limits = new StepLimits(
                options.MaxBatch, options.MaxBatchedTokens ?? device.FillingRows, Math.Max(64, 4 * options.MaxBatch),
                options.QueueDepth ?? device.QueueDepth);
            runner = new ModelRunner(device, models, budget.Blocks, limits);
            return new SteerEngine(options, device, models, budget, limits, runner);
        }
        catch (Exception e)
        {
            Release(device, runner, models);
            if (e is OutOfMemoryException)
                throw new SteerException("Not enough memory for activations and the cache of keys and values: lower --memory or --max-batch.", e);
            if (device.Explain(e) is { } line)
                throw new SteerException(line, e);
            throw;
        }
    }

    /// <summary>Tokens of a conversation, up to where an answer begins: what a request with these messages continues.</summary>
    /// <param name="messages">Oldest first.</param>
    /// <param name="today">The date that the template may tell; null for the machine's.</param>
    /// <param name="variables">What else the template may look at; null for nothing.</param>
    /// <exception cref="SteerException">There is no chat template, it refuses the messages, or there is no tokenizer.</exception>
    public IReadOnlyList<int> Encode(
        IReadOnlyList<ChatTurn> messages, DateOnly? today = null, IReadOnlyDictionary<string, JsonElement>? variables = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return _planner.Encode(new GenerationRequest { Messages = messages, Today = today, TemplateVariables = variables }, Variant.Expert);
    }

    /// <summary>
    /// What the kernels of all steps since the last call took: of steps that computed prompts, and of those that only drew tokens. Nothing unless
    /// <see cref="EngineOptions.Profile"/> asked for it.
    /// </summary>
    public IReadOnlyList<StepProfile> TakeProfile() => _profiler?.Take() ?? [];

    /// <summary>Throws what generating the request would throw, without generating.</summary>
    /// <exception cref="SteerException">The request cannot be served; one line says why.</exception>
    public void Check(GenerationRequest request) => _planner.Plan(request);

    /// <summary>Generates texts for any number of requests; they are taken up as room comes free, so the sequence may be long and lazy.</summary>
    /// <param name="requests">What to generate.</param>
    /// <param name="ordered">Give results in the order of requests and samples; else as they finish.</param>
    /// <param name="cancellationToken">Ends generation; what runs is dropped.</param>
    /// <exception cref="SteerException">A request cannot be served.</exception>
    public IAsyncEnumerable<GenerationResult> GenerateAsync(
        IEnumerable<GenerationRequest> requests, bool ordered = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        return Generate(requests, ordered, cancellationToken);
    }

    /// <summary>Generates the texts of one request and gives every token as it comes.</summary>
    /// <param name="request">What to generate.</param>
    /// <param name="cancellationToken">Ends generation.</param>
    /// <exception cref="SteerException">The request cannot be served.</exception>
    public IAsyncEnumerable<GeneratedToken> StreamAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Stream(request, cancellationToken);
    }

    /// <summary>Log-probabilities of given texts under every branch and under the guided distribution, in the order of the requests.</summary>
    /// <param name="requests">What to score.</param>
    /// <param name="cancellationToken">Ends scoring.</param>
    /// <exception cref="SteerException">A request cannot be served.</exception>
    public IAsyncEnumerable<ScoreResult> ScoreAsync(IEnumerable<ScoreRequest> requests, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        return InOrder(
            requests,
            request =>
            {
                var sink = new ScoreSink();
                return (_planner.PlanScore(request, sink), sink.Result.Task);
            },
            cancellationToken);
    }

    /// <summary>
    /// An embedding of each text, in order: the mean over its tokens of a model's last hidden states, after the final norm. It depends on the text
    /// alone, not on what else runs. Of a text longer than the model's window, the first tokens that fit it.
    /// </summary>
    /// <param name="texts">What to embed; may be long and lazy.</param>
    /// <param name="model">Whose states.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>[hidden size] for each text.</returns>
    /// <exception cref="SteerException">A text has no tokens, or the model is not loaded.</exception>
    public IAsyncEnumerable<float[]> EmbedAsync(
        IEnumerable<string> texts, Variant model = Variant.Base, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return InOrder(
            texts,
            text =>
            {
                var (sequence, sink) = _planner.PlanEmbed(text, model);
                return (sequence, sink.Result.Task);
            },
            cancellationToken);
    }

    /// <summary>Ends what runs with an <see cref="ObjectDisposedException"/>, waits for the step under way, and gives all memory back.</summary>
    /// <exception cref="InvalidOperationException">
    /// A <see cref="GenerationRequest.StopWhen"/> calls this: the engine cannot wait for itself.
    /// </exception>
    public void Dispose()
    {
        if (_loop.IsCurrentThread)
            throw new InvalidOperationException("StopWhen must not dispose the engine, which waits for it: end the text, then dispose elsewhere.");
        if (Interlocked.Exchange(ref _disposed, true))
            return;
        _loop.Dispose();
        Release(_device, _runner, _models);
    }

    /// <summary>
    /// Gives everything back. A device that failed holds nothing any more and says so, which nobody needs to hear after the failure itself.
    /// </summary>
    private static void Release(Device device, params IDisposable?[] parts)
    {
        try
        {
            foreach (var part in parts)
                part?.Dispose();
            device.Dispose();
        }
        catch (Exception e) when (device.Explain(e) is not null)
        {
        }
    }

    private static Device Open(EngineOptions options)
    {
        try
        {
            return Devices.Open(options.Device, options.Threads, options.InstructionSet);
        }
        catch (ArgumentException e)
        {
            // The name of the device, or its instructions: an argument that is the user's.
            throw new SteerException(e.Message, e);
        }
    }

    private async IAsyncEnumerable<GenerationResult> Generate(
        IEnumerable<GenerationRequest> requests, bool ordered, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var source = requests.GetEnumerator();
        var sink = new ResultSink();
        var running = new HashSet<Sequence>();
        var early = new SortedDictionary<(int Request, int Sample), GenerationResult>();
        var due = new Queue<(int Request, int Sample)>();
        int index = 0;
        bool more = true;
        try
        {
            while (true)
            {
                while (more && running.Count < _maxSubmitted && (more = source.MoveNext()))
                    Submit(source.Current, index++, sink, running, due);
                if (running.Count == 0)
                    yield break;

                var (sequence, result) = await sink.Channel.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
                running.Remove(sequence);

                // A failure is thrown at once, as it was thrown; what was finished before it in order has been given.
                if (result is null)
                    ExceptionDispatchInfo.Throw(sequence.Error!);
                if (!ordered)
                {
                    yield return result;
                    continue;
                }

                early.Add((sequence.RequestIndex, sequence.SampleIndex), result);
                while (due.TryPeek(out var next) && early.Remove(next, out var ready))
                {
                    due.Dequeue();
                    yield return ready;
                }
            }
        }
        finally
        {
            Cancel(running);
        }
    }

    private async IAsyncEnumerable<GeneratedToken> Stream(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var sink = new TokenSink();
        var running = new HashSet<Sequence>();
        try
        {
            Submit(request, 0, sink, running, due: null);
            while (running.Count > 0)
            {
                var (sequence, token) = await sink.Channel.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
                if (token is null || token.Result is not null)
                    running.Remove(sequence);
                if (token is null)
                    ExceptionDispatchInfo.Throw(sequence.Error!);
                yield return token;
            }
        }
        finally
        {
            Cancel(running);
        }
    }

    /// <summary>Runs one sequence for each item, several at once, and gives their results in the order of the items.</summary>
    private async IAsyncEnumerable<TResult> InOrder<TItem, TResult>(
        IEnumerable<TItem> items, Func<TItem, (Sequence Sequence, Task<TResult> Result)> plan,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var source = items.GetEnumerator();
        var running = new Queue<(Sequence Sequence, Task<TResult> Result)>();
        bool more = true;
        try
        {
            while (true)
            {
                while (more && running.Count < _maxSubmitted && (more = source.MoveNext()))
                {
                    var planned = plan(source.Current);
                    running.Enqueue(planned);
                    _loop.Submit(planned.Sequence);
                }

                if (!running.TryPeek(out var first))
                    yield break;
                var result = await first.Result.WaitAsync(cancellationToken).ConfigureAwait(false);
                running.Dequeue();
                yield return result;
            }
        }
        finally
        {
            Cancel(running.Select(r => r.Sequence));
        }
    }

    private void Submit(GenerationRequest request, int index, ISequenceSink sink, HashSet<Sequence> running, Queue<(int, int)>? due)
    {
        var plan = _planner.Plan(request);
        var samples = new Sequence[request.Sampling.N];
        for (int sample = 0; sample < samples.Length; sample++)
        {
            samples[sample] = plan.Create(index, sample, sink);
            running.Add(samples[sample]);
            due?.Enqueue((index, sample));
        }

        _loop.Submit(samples);
    }

    private void Cancel(IEnumerable<Sequence> sequences)
    {
        bool any = false;
        foreach (var sequence in sequences)
            any = sequence.Cancelled = true;
        if (any)
            _loop.Wake();
    }
}
