using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;
using Steer.Runtime.Tests.Checkpoints;

namespace Steer.Runtime.Tests.Engine;

/// <summary>What hosts rely on: threads, streams, cancellation, stops, limits, errors. On the embedded pair.</summary>
public sealed class SteerEngineTests : IDisposable
{
    private const string Prompt = "State one new hypothesis in astronomy.\nHypothesis:";

    private readonly SteerEngine _engine = SteerEngine.Load(Options);

    private static EngineOptions Options => new()
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"),
        Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
        MaxBatch = 8,
    };

    public void Dispose() => _engine.Dispose();

    [Fact]
    public async Task Several_threads_share_an_engine_and_get_what_they_would_get_alone()
    {
        var alone = new List<string>();
        for (int i = 0; i < 6; i++)
            alone.Add((await All(Request(seed: i)))[0].Text);
        var together = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => All(Request(seed: i)))));
        Assert.Equal(alone, together.Select(t => t[0].Text));
    }

    /// <summary>More threads than processors: each engine gives its texts while the other makes one without end, which goes on meanwhile.</summary>
    [Fact]
    public async Task Two_engines_work_at_once_and_each_gives_what_it_gives_alone()
    {
        using var other = SteerEngine.Load(Options with { Threads = Environment.ProcessorCount + 1, MaxBatch = 3 });
        var alone = new List<string>();
        for (int i = 0; i < 4; i++)
            alone.Add((await All(Request(seed: i)))[0].Text);
        foreach (var (busy, asked) in new[] { (_engine, other), (other, _engine) })
        {
            using var stop = new CancellationTokenSource();
            var started = new TaskCompletionSource();
            var endless = Task.Run(async () =>
            {
                while (true)
                {
                    await foreach (var _ in busy.StreamAsync(Request(seed: 9), stop.Token))
                        started.TrySetResult();
                }
            });
            await started.Task;
            long before = busy.Statistics.GeneratedTokens;
            for (int i = 0; i < alone.Count; i++)
            {
                await foreach (var result in asked.GenerateAsync([Request(seed: i)]))
                    Assert.Equal(alone[i], result.Text);
            }

            Assert.True(busy.Statistics.GeneratedTokens > before, "One engine stood still while the other worked.");
            stop.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => endless);
        }
    }

    [Fact]
    public async Task A_stream_gives_the_text_of_the_result_piece_by_piece()
    {
        var whole = (await All(Request(seed: 3)))[0];
        var tokens = new List<GeneratedToken>();
        await foreach (var token in _engine.StreamAsync(Request(seed: 3)))
            tokens.Add(token);
        Assert.Equal(whole.TokenIds, tokens.Select(t => t.TokenId));
        Assert.Equal(whole.Text, string.Concat(tokens.Select(t => t.Text)));
        Assert.Equal(whole.Text, tokens[^1].Result!.Text);
        Assert.All(tokens.SkipLast(1), t => Assert.Null(t.Result));
    }

    /// <summary>A check of the text ends it at the same token for any batch, and sees every piece of it.</summary>
    [Fact]
    public async Task A_text_is_ended_by_its_own_check()
    {
        var whole = (await All(Request(seed: 3)))[0];
        var seen = new List<string>();
        Func<string, bool> Watch()
        {
            seen.Clear();
            return piece =>
            {
                seen.Add(piece);
                return string.Concat(seen).Contains(' ', StringComparison.Ordinal) && seen.Count >= 4;
            };
        }

        var cut = (await All(Request(seed: 3) with { StopWhen = Watch }))[0];
        Assert.Equal(FinishReason.Cut, cut.FinishReason);
        Assert.Equal(whole.TokenIds.Take(4), cut.TokenIds);
        Assert.Equal(string.Concat(seen), cut.Text);

        // Beside others, and with a stop text that holds pieces back: the text keeps what was held.
        var others = Task.WhenAll(Enumerable.Range(10, 12).Select(i => All(Request(seed: i))));
        Assert.Equal(cut.TokenIds, (await All(Request(seed: 3) with { StopWhen = Watch }))[0].TokenIds);
        await others;
        var held = (await All(Request(seed: 3, s => s with { Stop = ["never to be seen"] }) with { StopWhen = () => _ => true }))[0];
        Assert.Equal((FinishReason.Cut, 1), (held.FinishReason, held.TokenIds.Count));
        Assert.StartsWith(held.Text, whole.Text, StringComparison.Ordinal);
        Assert.NotEmpty(held.Text);
    }

    /// <summary>A check runs under no lock: it may wait for another thread that reads the counters or leaves a request, and what it sees does not count yet.</summary>
    [Fact]
    public async Task A_check_may_wait_for_a_thread_that_uses_the_engine()
    {
        Task<List<GenerationResult>>? left = null;
        long finished = -1;
        bool Check(string piece)
        {
            Task.Factory.StartNew(
                () =>
                {
                    finished = _engine.Statistics.FinishedTexts;
                    left ??= All(Request(seed: 4));
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Wait();
            return true;
        }

        var cut = (await All(Request(seed: 3) with { StopWhen = () => Check }))[0];
        Assert.Equal((FinishReason.Cut, 0L), (cut.FinishReason, finished));
        Assert.True(_engine.Statistics.FinishedTexts > 0, "A text was given before it was counted.");
        Assert.Equal((await All(Request(seed: 4)))[0].TokenIds, (await left!)[0].TokenIds);
    }

    [Fact]
    public async Task A_check_that_throws_ends_its_own_text_and_no_other()
    {
        var error = new FormatException("the host's own");
        var others = Task.WhenAll(Enumerable.Range(10, 4).Select(i => All(Request(seed: i))));
        Assert.Same(error, await Assert.ThrowsAsync<FormatException>(() => All(Request(seed: 3) with { StopWhen = () => _ => throw error })));
        Assert.Equal(4, (await others).Length);
        Assert.Single(await All(Request(seed: 3)));
    }

    [Fact]
    public async Task An_error_of_a_check_tells_the_host_where_it_was_thrown()
    {
        static bool ThrowsHere(string piece) => throw new FormatException();
        var request = Request(seed: 3) with { StopWhen = () => ThrowsHere };
        var error = await Assert.ThrowsAsync<FormatException>(() => All(request));
        Assert.Contains(nameof(ThrowsHere), error.StackTrace, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<FormatException>(async () =>
        {
            await foreach (var _ in _engine.StreamAsync(request))
            {
            }
        });
        Assert.Contains(nameof(ThrowsHere), error.StackTrace, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_check_that_disposes_the_engine_is_refused_and_the_engine_goes_on()
    {
        bool Check(string piece)
        {
            _engine.Dispose();
            return true;
        }

        await Assert.ThrowsAsync<InvalidOperationException>(() => All(Request(seed: 3) with { StopWhen = () => Check }));
        Assert.Single(await All(Request(seed: 3)));
    }

    [Fact]
    public async Task A_missing_argument_is_named_by_the_call_itself()
    {
        Assert.Throws<ArgumentNullException>("options", () => { SteerEngine.Load(null!); });
        Assert.Throws<ArgumentNullException>("requests", () => { _engine.GenerateAsync(null!); });
        Assert.Throws<ArgumentNullException>("request", () => { _engine.StreamAsync(null!); });
        Assert.Throws<ArgumentNullException>("requests", () => { _engine.ScoreAsync(null!); });
        Assert.Throws<ArgumentNullException>("texts", () => { _engine.EmbedAsync(null!); });
        Assert.Throws<ArgumentNullException>("request", () => _engine.Check(null!));
        await Assert.ThrowsAsync<ArgumentNullException>("request", () => All(null!));
    }

    /// <summary>A decoder of bytes holds a byte back until it is told that none follows.</summary>
    [Theory]
    [InlineData(FinishReason.Stop)]
    [InlineData(FinishReason.Length)]
    [InlineData(FinishReason.Cut)]
    public async Task Bytes_at_the_end_of_a_text_are_there_whatever_ends_it(FinishReason reason)
    {
        const int letter = 68, stop = 5; // <0x41> of the tokenizer, and any other token
        using var engine = SteerEngine.Load(new EngineOptions
        {
            Base = GoldenFiles.Find("models/llama"), Tokenizer = GoldenFiles.Find("tokenizer_json/llama2-like/tokenizer.json"), MaxBatch = 2,
        });
        int pieces = 0;
        var request = new GenerationRequest
        {
            PromptIds = [1, 28],
            Sampling = new SamplingParams
            {
                Temperature = 0,
                MaxTokens = reason == FinishReason.Length ? 3 : 9,
                MinTokens = 3,
                StopTokenIds = reason == FinishReason.Stop ? [stop] : [],
                LogitBias = new Dictionary<int, float> { [letter] = 1000, [stop] = reason == FinishReason.Stop ? 2000 : 0 },
            },
            StopWhen = reason == FinishReason.Cut ? () => _ => ++pieces == 3 : null,
        };
        string streamed = "";
        await foreach (var token in engine.StreamAsync(request))
        {
            streamed += token.Text;
            if (token.Result is { } result)
                Assert.Equal(("AAA", reason), (result.Text, result.FinishReason));
        }

        Assert.Equal("AAA", streamed);
    }

    [Fact]
    public async Task Negatives_that_the_window_does_not_hold_are_left_out_whole_and_it_is_said()
    {
        // About 12 tokens each: forty take 480 of 512 positions and leave fewer than the 80 tokens asked for.
        string[] negatives = [.. Enumerable.Range(0, 40).Select(i => $"The galaxy number {i} moves slowly through the dark sky.")];
        var guidance = new GuidanceParams { Gamma = 0.3f, Eta = 0.2f };
        GenerationRequest With(IEnumerable<string> some) => Request(seed: 5, s => s with { MaxTokens = 80 }) with { Guidance = guidance, Negatives = [.. some] };
        var all = (await All(With(negatives)))[0];
        Assert.Contains(all.Warnings, w => w.StartsWith("Some negatives were left out", StringComparison.Ordinal));

        int room = _engine.MaxPositions + 1 - 80;
        int kept = Enumerable.Range(1, 40).Last(k => _engine.Tokenizer!.Encode(string.Join(' ', negatives.Take(k)), false).Length <= room);
        var fitting = (await All(With(negatives.Take(kept))))[0];
        Assert.Empty(fitting.Warnings);
        Assert.Equal(fitting.TokenIds, all.TokenIds);
    }

    [Fact]
    public async Task A_stop_text_ends_the_text_and_is_cut_off_also_from_the_stream()
    {
        string whole = (await All(Request(seed: 1)))[0].Text;
        string stop = whole.Substring(whole.Length / 2, 3);
        var request = Request(seed: 1, s => s with { Stop = ["never in there", stop] });
        var cut = (await All(request))[0];
        Assert.Equal(FinishReason.Stop, cut.FinishReason);
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], cut.Text);
        string streamed = "";
        await foreach (var token in _engine.StreamAsync(request))
            streamed += token.Text;
        Assert.Equal(cut.Text, streamed);
    }

    [Fact]
    public async Task Max_tokens_min_tokens_stop_tokens_and_eos_are_honoured()
    {
        var plain = (await All(Request(seed: 5)))[0];
        Assert.Equal(FinishReason.Stop, plain.FinishReason);
        Assert.Equal(0, plain.TokenIds[^1]);

        var shorter = (await All(Request(seed: 5, s => s with { MaxTokens = 4 })))[0];
        Assert.Equal(plain.TokenIds.Take(4), shorter.TokenIds);
        Assert.Equal(FinishReason.Length, shorter.FinishReason);

        var longer = (await All(Request(seed: 5, s => s with { MinTokens = plain.TokenIds.Count + 5, MaxTokens = 200 })))[0];
        Assert.True(longer.TokenIds.Count >= plain.TokenIds.Count + 5);
        Assert.DoesNotContain(0, longer.TokenIds.Take(plain.TokenIds.Count + 4));

        var ignoring = (await All(Request(seed: 5, s => s with { IgnoreEos = true, MaxTokens = 100 })))[0];
        Assert.Equal(100, ignoring.TokenIds.Count);

        int third = plain.TokenIds[2];
        var stopped = (await All(Request(seed: 5, s => s with { StopTokenIds = [third] })))[0];
        Assert.Equal(plain.TokenIds.Take(plain.TokenIds.ToList().IndexOf(third) + 1), stopped.TokenIds);
        Assert.Equal(FinishReason.Stop, stopped.FinishReason);
    }

    [Fact]
    public async Task Without_max_tokens_the_window_is_the_limit()
    {
        var result = (await All(Request(seed: 2, s => s with { MaxTokens = null, IgnoreEos = true })))[0];
        Assert.Equal(FinishReason.Length, result.FinishReason);
        Assert.Equal(_engine.MaxPositions + 1, result.PromptTokens + result.TokenIds.Count);
    }

    [Fact]
    public async Task A_banned_token_never_comes_and_a_lone_allowed_one_always()
    {
        var first = (await All(Request(seed: 4)))[0].TokenIds[0];
        var banned = (await All(Request(seed: 4, s => s with { LogitBias = new Dictionary<int, float> { [first] = float.NegativeInfinity } })))[0];
        Assert.DoesNotContain(first, banned.TokenIds);
        var forced = (await All(Request(seed: 4, s => s with { LogitBias = new Dictionary<int, float> { [77] = 100 }, MaxTokens = 5 }) with
        {
            Guidance = new GuidanceParams { Preset = GuidancePreset.Plain },
        }))[0];
        Assert.All(forced.TokenIds, t => Assert.Equal(77, t));
    }

    [Fact]
    public async Task More_texts_than_a_request_may_have_are_refused_before_any_is_made()
    {
        var request = Request(seed: 1, s => s with { N = int.MaxValue });
        var error = await Assert.ThrowsAsync<SteerException>(async () => await _engine.GenerateAsync([request]).ToListAsync());
        Assert.Equal("n is 2147483647: it must be at most 1048576 in one request; give several requests.", error.Message);
    }

    [Fact]
    public async Task Cancelling_ends_the_call_and_leaves_the_engine_at_work_for_others()
    {
        using var source = new CancellationTokenSource();
        var endless = Request(seed: 1, s => s with { MaxTokens = null, IgnoreEos = true, N = 50 });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in _engine.GenerateAsync([endless], cancellationToken: source.Token))
                source.Cancel();
        });
        Assert.NotEmpty((await All(Request(seed: 1)))[0].Text);
    }

    [Fact]
    public async Task Disposing_ends_what_runs()
    {
        var engine = SteerEngine.Load(Options);
        var running = Assert.ThrowsAnyAsync<ObjectDisposedException>(async () =>
        {
            await foreach (var _ in engine.GenerateAsync([Request(seed: 1, s => s with { MaxTokens = null, IgnoreEos = true, N = 100 })]))
            {
            }
        });
        engine.Dispose();
        engine.Dispose();
        await running;
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            await foreach (var _ in engine.GenerateAsync([Request(seed: 1)]))
            {
            }
        });
    }

    [Fact]
    public async Task More_texts_than_fit_wait_their_turn()
    {
        using var small = SteerEngine.Load(Options with { Memory = 60 * 6144 * 16 });
        var results = new List<GenerationResult>();
        await foreach (var result in small.GenerateAsync(Enumerable.Range(0, 40).Select(i => Request(seed: i))))
            results.Add(result);
        Assert.Equal(Enumerable.Range(0, 40), results.Select(r => r.RequestIndex).Order());
    }

    [Theory]
    [InlineData("window")]
    [InlineData("empty prompt ids")]
    [InlineData("token out of range")]
    [InlineData("no prompt")]
    [InlineData("temperature")]
    [InlineData("missing model")]
    [InlineData("unknown combination")]
    [InlineData("empty negative")]
    [InlineData("empty negatives of one branch each")]
    public async Task A_request_that_cannot_be_served_is_one_clear_line(string kind)
    {
        var request = kind switch
        {
            "window" => Request(seed: 0) with { Prompt = string.Join(" ", Enumerable.Repeat("galaxy", 600)) },
            "empty prompt ids" => Request(seed: 0) with { Prompt = null, PromptIds = [] },
            "token out of range" => Request(seed: 0) with { Prompt = null, PromptIds = [1, 4096] },
            "no prompt" => Request(seed: 0) with { Prompt = null },
            "temperature" => Request(seed: 0, s => s with { Temperature = float.NaN }),
            "missing model" => Request(seed: 0) with { Guidance = new GuidanceParams { Preset = GuidancePreset.Proxy } },
            "unknown combination" => Request(seed: 0) with { Guidance = new GuidanceParams { Combination = (NegativeCombination)3 } },
            "empty negative" => Request(seed: 0) with { Negatives = [""], Guidance = new GuidanceParams { Eta = 0.2f } },
            "empty negatives of one branch each" => Request(seed: 0) with
            {
                Negatives = ["A star.", ""], Guidance = new GuidanceParams { Eta = 0.2f, Combination = NegativeCombination.Mean },
            },
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
        var e = await Assert.ThrowsAsync<SteerException>(() => All(request));
        Assert.DoesNotContain('\n', e.Message);
        Assert.Throws<SteerException>(() => _engine.Check(request));
    }

    [Fact]
    public void More_branches_than_a_step_holds_are_refused_at_once()
    {
        using var narrow = SteerEngine.Load(Options with { MaxBatchedTokens = 16 });
        var request = Request(seed: 0) with { Guidance = new GuidanceParams { Gamma = 0.3f, Eta = 0.2f, Combination = NegativeCombination.Mean } };
        narrow.Check(request with { Negatives = [.. Enumerable.Repeat("A star.", 14)] });
        Assert.Throws<SteerException>(() => narrow.Check(request with { Negatives = [.. Enumerable.Repeat("A star.", 15)] }));
    }

    [Fact]
    public void Tokens_that_end_a_text_are_those_of_all_experts()
    {
        using var folder = new TempFolder();
        string Model(int eos)
        {
            string path = Directory.CreateDirectory(folder.File($"eos{eos}")).FullName;
            File.WriteAllText(Path.Combine(path, "config.json"), TinyModel.Config.Replace("\"eos_token_id\": 9", $"\"eos_token_id\": {eos}", StringComparison.Ordinal));
            TinyModel.WriteTensors(Path.Combine(path, "model.safetensors"), TinyModel.Tensors);
            return path;
        }

        using var engine = SteerEngine.Load(new EngineOptions { Base = Model(9), Expert = Model(8), MoreExperts = [Model(7), Model(8)], MaxBatch = 1 });
        Assert.Equal([8, 7], engine.EosIds);
    }

    [Fact]
    public async Task Special_tokens_that_a_model_has_no_rows_for_are_as_if_not_named()
    {
        using var folder = new TempFolder();
        TinyModel.Write(folder, TinyModel.Config
            .Replace("\"eos_token_id\": 9", "\"eos_token_id\": [9, 2147483647, 10]", StringComparison.Ordinal)
            .Replace("\"bos_token_id\": 0", "\"bos_token_id\": 10", StringComparison.Ordinal));
        using var engine = SteerEngine.Load(new EngineOptions { Base = folder.Path, MaxBatch = 1 });
        Assert.Equal([9], engine.EosIds);
        Assert.Null(engine.BosId);

        // The ends are banned one by one until the text may end.
        var request = new GenerationRequest { PromptIds = [1], Sampling = new SamplingParams { MinTokens = 3, MaxTokens = 4 } };
        await foreach (var result in engine.GenerateAsync([request]))
            Assert.InRange(result.TokenIds.Count, 3, 4);
    }

    [Fact]
    public void Memory_that_cannot_hold_a_text_is_refused_at_once()
    {
        using var tiny = SteerEngine.Load(Options with { Memory = 4 * 6144 * 16 });
        Assert.Throws<SteerException>(() => tiny.Check(Request(seed: 0)));
    }

    [Fact]
    public async Task Without_max_tokens_a_cache_smaller_than_the_window_is_the_limit()
    {
        // Two blocks of 16 positions for each of two branches; the last token needs none.
        using var tiny = SteerEngine.Load(Options with { Memory = 4 * 6144 * 16 });
        var endless = Request(seed: 2, s => s with { MaxTokens = null, IgnoreEos = true }) with { Guidance = new GuidanceParams { Gamma = 0.3f } };
        await foreach (var result in tiny.GenerateAsync([endless, endless with { Seed = 3 }]))
        {
            Assert.Equal((FinishReason.Length, 33), (result.FinishReason, result.PromptTokens + result.TokenIds.Count));
            Assert.StartsWith("Without --max-tokens a text ends where the cache", Assert.Single(result.Warnings), StringComparison.Ordinal);
        }

        Assert.Throws<SteerException>(() => tiny.Check(endless with { Prompt = string.Join(' ', Enumerable.Repeat(Prompt, 4)) }));
    }

    [Fact]
    public void What_a_host_does_wrong_while_it_loads_stays_its_own_error()
    {
        var fault = new ArgumentException("the host's own");
        Assert.Same(fault, Assert.Throws<ArgumentException>(() => SteerEngine.Load(Options, (_, _) => throw fault)));
        Assert.Contains("toaster", Assert.Throws<SteerException>(() => SteerEngine.Load(Options with { Device = "toaster" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_prompt_begins_with_the_models_first_token()
    {
        var result = (await All(Request(seed: 0) with { Prompt = "" }))[0];
        Assert.Equal(1, result.PromptTokens);
        var both = Request(seed: 0) with { Prompt = "", Context = "", Guidance = new GuidanceParams { Preset = GuidancePreset.ContextAware } };
        Assert.Equal(["context", "expert"], (await All(both))[0].Branches);
    }

    [Fact]
    public void An_empty_path_is_named()
    {
        foreach (var (name, options) in new[]
        {
            ("base", Options with { Base = "" }), ("expert", Options with { Expert = " " }), ("expert", Options with { MoreExperts = [""] }),
            ("tokenizer", Options with { Tokenizer = "" }),
        })
        {
            string message = Assert.Throws<SteerException>(() => SteerEngine.Load(options)).Message;
            Assert.Equal($"The path of the {name} is empty: give a folder or a file.", message);
        }
    }

    private static GenerationRequest Request(int seed, Func<SamplingParams, SamplingParams>? change = null)
    {
        var sampling = new SamplingParams { MaxTokens = 60 };
        return new GenerationRequest
        {
            Prompt = Prompt,
            Guidance = new GuidanceParams { Gamma = 0.3f },
            Sampling = change?.Invoke(sampling) ?? sampling,
            Seed = (ulong)seed,
        };
    }

    private async Task<List<GenerationResult>> All(GenerationRequest request)
    {
        var results = new List<GenerationResult>();
        await foreach (var result in _engine.GenerateAsync([request]))
            results.Add(result);
        return results;
    }
}
