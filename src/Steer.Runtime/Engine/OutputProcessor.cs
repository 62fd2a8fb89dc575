using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>
/// Gives the drawn tokens of a plan to their sequences, one by one, and ends texts. Tokens that were drawn beyond the end of a text, because the
/// device ran ahead of the host, are dropped here: a text is the same however far the device ran.
/// </summary>
internal sealed class OutputProcessor(ModelSet models, ModelRunner runner)
{
    private readonly float[] _logits = new float[runner.VocabSize];
    private readonly float[] _hidden = new float[models.Shapes.Max(s => s.HiddenSize)];
    private readonly Queue<Notification> _notifications = new();

    /// <summary>Sequences that the last call ended.</summary>
    public List<Sequence> Ended { get; } = [];

    /// <summary>Texts that the last delivery finished.</summary>
    public int Finished { get; private set; }

    /// <summary>Tokens of the last delivery that were drawn.</summary>
    public int Tokens { get; private set; }

    /// <summary>Rows that were computed for them: one for each branch.</summary>
    public int Rows { get; private set; }

    /// <summary>Rows of tokens that were known beforehand: texts that are scored or embedded.</summary>
    public int KnownRows { get; private set; }

    /// <summary>Adds the drawn tokens to the sequences, up to one that ends a text: all that the next plan needs to know.</summary>
    public void AppendTokens(StepPlan plan, StepResults results)
    {
        Ended.Clear();
        int row = 0;
        foreach (var (sequence, draws) in plan.Draws)
        {
            // A text that ended by what it says while this plan was under way draws no more.
            for (int i = 0; i < plan.Steps * draws && !sequence.Ended; i++)
            {
                var result = results.Result(i / draws, row + i % draws);
                sequence.Failed = result.Invalid != 0;
                if (!sequence.Failed)
                {
                    sequence.Generated.Add(result.Token);
                    sequence.Grammar?.Accept(result.Token);
                }

                if (!sequence.Failed && !sequence.Stops.Contains(result.Token) && sequence.TokensLeft > 0)
                    continue;
                Ended.Add(sequence);
                break;
            }

            row += draws;
        }
    }

    /// <summary>Turns into text what <see cref="AppendTokens"/> added, and ends texts; sinks hear of it from <see cref="Notify"/>.</summary>
    public void Deliver(StepPlan plan, StepResults results)
    {
        Ended.Clear();
        Finished = Tokens = Rows = KnownRows = 0;
        int row = 0, branch = 0;
        foreach (var (sequence, draws) in plan.Draws)
        {
            int branches = sequence.Contexts.Length;
            for (int i = 0; i < plan.Steps * draws && !sequence.Ended && sequence.Delivered < sequence.Generated.Count; i++)
                Deliver(sequence, results, i / draws, i % draws, row, branch);
            if (sequence.Failed && !sequence.Ended)
                Fail(sequence, NoToken(sequence));
            row += draws;
            branch += draws * branches;
        }
    }

    /// <summary>Tells the sinks of the tokens, ends and failures since the last call, in order.</summary>
    public void Notify()
    {
        while (_notifications.TryDequeue(out var notification))
        {
            var (sequence, token, text, reason, error) = notification;
            if (error is null)
                sequence.Sink.OnToken(sequence, token, text, reason);
            else
                sequence.Sink.OnFailed(sequence, error);
        }
    }

    /// <summary>
    /// Gives one token; the first of the sequence's draws is at <paramref name="row"/> and its branches begin at <paramref name="branch"/>.
    /// </summary>
    private void Deliver(Sequence sequence, StepResults results, int step, int draw, int row, int branch)
    {
        if (sequence.Forced is null)
        {
            Tokens++;
            Rows += sequence.Contexts.Length;
        }
        else
        {
            KnownRows += sequence.Contexts.Length;
        }

        if (sequence.KeepLogits)
            KeepLogits(sequence, draw);
        if (sequence.KeepHidden)
            KeepHidden(sequence, draw);
        if (sequence.Sampling.LogProbs is { } alternatives)
        {
            sequence.LogProbs.Add(LogProbs(
                results.Result(step, row + draw),
                results.Alternatives(step, row + draw, alternatives),
                results.BranchLogProbs(step, branch + draw * sequence.Contexts.Length, sequence.Contexts.Length)));
        }

        int token = sequence.Generated[sequence.Delivered++];
        var reason = Reason(sequence, token);
        string text = sequence.TakesPieces ? sequence.Text?.Release(final: reason is not null) ?? "" : "";
        try
        {
            if (reason is null && sequence.StopWhen?.Invoke(text) == true)
            {
                reason = FinishReason.Cut;
                sequence.Text!.Flush();
                text += sequence.Text.Release(final: true);
            }
        }
        catch (Exception e)
        {
            // The callback is the caller's: an exception of it fails its own text, not those that run beside it.
            Fail(sequence, e);
            return;
        }

        if (reason is not null)
        {
            sequence.Generated.RemoveRange(sequence.Delivered, sequence.Generated.Count - sequence.Delivered);
            sequence.Ended = true;
            Ended.Add(sequence);
            Finished++;
        }

        _notifications.Enqueue(new Notification(sequence, token, text, reason, null));
    }

    /// <summary>Why the text ends with this token; null where it goes on.</summary>
    private static FinishReason? Reason(Sequence sequence, int token)
    {
        bool stop = sequence.Stops.Contains(token);
        if (!stop && sequence.Text?.Append(token) == true)
            return FinishReason.Stop;
        if (!stop && sequence.Delivered < sequence.MaxTokens)
            return null;
        return sequence.Text?.Flush() == true || stop ? FinishReason.Stop : FinishReason.Length;
    }

    private static SteerException NoToken(Sequence sequence)
    {
        if (sequence.Grammar is not { } grammar)
            return new("The model's logits are not numbers (NaN or infinite), or every token is banned: check the weights and the logit bias.");
        return grammar.Error is { } error ? new($"Structured output: {error.Message}", error) : new(
            "No token goes on or ends as the structured output has to: the logit bias bans those that could, the vocabulary has none, or the " +
            "model's logits are not numbers (NaN or infinite).");
    }

    private void Fail(Sequence sequence, Exception error)
    {
        sequence.Ended = true;
        Ended.Add(sequence);
        _notifications.Enqueue(new Notification(sequence, 0, "", null, error));
    }

    private static TokenLogProbs LogProbs(in GuideResult result, ReadOnlySpan<TokenLogProb> alternatives, ReadOnlySpan<float> branches)
    {
        var kept = new List<Alternative>(alternatives.Length);
        foreach (var alternative in alternatives)
        {
            if (alternative.Token >= 0)
                kept.Add(new Alternative(alternative.Token, alternative.LogProb));
        }

        return new TokenLogProbs(result.LogProb, result.Entropy, result.Temperature, branches.ToArray(), kept);
    }

    private void KeepLogits(Sequence sequence, int draw)
    {
        for (int i = 0; i < sequence.Contexts.Length; i++)
        {
            var logits = _logits.AsSpan(0, models[sequence.Contexts[i].Variant].Config.VocabSize);
            runner.ReadLogits(sequence.Contexts[i], draw, logits);
            sequence.Sink.OnLogits(sequence, i, logits);
        }
    }

    private void KeepHidden(Sequence sequence, int draw)
    {
        var hidden = _hidden.AsSpan(0, models[sequence.Contexts[0].Variant].Config.HiddenSize);
        runner.ReadHidden(sequence.Contexts[0], draw, hidden);
        sequence.Sink.OnHidden(sequence, hidden);
    }

    /// <summary>What a sink is told: a token, or an error.</summary>
    private readonly record struct Notification(Sequence Sequence, int Token, string Text, FinishReason? Reason, Exception? Error);
}
