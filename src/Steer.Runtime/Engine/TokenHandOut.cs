using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>
/// Gives what a plan drew to its sequences, token by token, and ends texts. What was drawn beyond the end of a text, because steps or plans ran
/// ahead of the host, is dropped here: the same tokens remain, however far that was.
/// </summary>
internal sealed class TokenHandOut(ModelSet models, ModelRunner runner)
{
    private readonly float[] _logits = new float[runner.VocabSize];
    private readonly float[] _hidden = new float[models.Shapes.Max(s => s.HiddenSize)];
    private readonly Queue<News> _news = new();

    /// <summary>Sequences that came to their end in the last call.</summary>
    public List<Sequence> Ended { get; } = [];

    /// <summary>Texts that the last delivery finished.</summary>
    public int Finished { get; private set; }

    /// <summary>Tokens of the last delivery that were drawn.</summary>
    public int Tokens { get; private set; }

    /// <summary>Rows that were computed for them: one for each branch.</summary>
    public int Rows { get; private set; }

    /// <summary>Rows of tokens that were known beforehand: texts that are scored or embedded.</summary>
    public int KnownRows { get; private set; }

    /// <summary>Adds what was drawn to the sequences, up to a token that ends one: enough to plan what comes next.</summary>
    public void Take(StepPlan plan, StepResults results)
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
                    sequence.Generated.Add(result.Token);
                if (!sequence.Failed && !sequence.Stops.Contains(result.Token) && sequence.TokensLeft > 0)
                    continue;
                Ended.Add(sequence);
                break;
            }

            row += draws;
        }
    }

    /// <summary>Makes text of what <see cref="Take"/> added, and ends texts; sinks hear of it from <see cref="Tell"/>.</summary>
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
            {
                Fail(sequence, new SteerException(
                    "The model gave logits that are no numbers, or every token is banned: check the weights and the logit bias."));
            }

            row += draws;
            branch += draws * branches;
        }
    }

    /// <summary>Tells the sinks what came of deliveries, in order.</summary>
    public void Tell()
    {
        while (_news.TryDequeue(out var news))
        {
            var (sequence, token, text, reason, error) = news;
            if (error is null)
                sequence.Sink.OnToken(sequence, token, text, reason);
            else
                sequence.Sink.OnFailed(sequence, error);
        }
    }

    /// <summary>Gives one token; the first of the sequence's draws is at <paramref name="row"/> and its branches begin at <paramref name="branch"/>.</summary>
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
            // The check is the host's: its fault is that of its own text, not of all that run beside it.
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

        _news.Enqueue(new News(sequence, token, text, reason, null));
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

    private void Fail(Sequence sequence, Exception error)
    {
        sequence.Ended = true;
        Ended.Add(sequence);
        _news.Enqueue(new News(sequence, 0, "", null, error));
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

    /// <summary>What a sink is to hear: a token, or where there is an error that.</summary>
    private readonly record struct News(Sequence Sequence, int Token, string Text, FinishReason? Reason, Exception? Error);
}
