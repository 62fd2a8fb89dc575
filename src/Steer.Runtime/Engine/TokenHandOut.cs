using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>
/// Gives what a plan drew to its sequences, token by token, and ends texts. Where several steps ran with no word from the host, what was drawn
/// beyond the end of a text is dropped here: the same tokens remain, however many steps there were.
/// </summary>
internal sealed class TokenHandOut(ModelSet models, ModelRunner runner)
{
    private readonly float[] _logits = new float[runner.VocabSize];
    private readonly float[] _hidden = new float[models.Shapes.Max(s => s.HiddenSize)];

    /// <summary>Sequences that ended with the last plan.</summary>
    public List<Sequence> Ended { get; } = [];

    /// <summary>Texts that the last plan finished.</summary>
    public int Finished { get; private set; }

    /// <summary>Tokens that the last plan gave.</summary>
    public int Tokens { get; private set; }

    /// <summary>Rows that were computed for them: one for each branch.</summary>
    public int Rows { get; private set; }

    /// <summary>Hands out the tokens of a plan.</summary>
    public void Run(StepPlan plan)
    {
        Ended.Clear();
        Finished = Tokens = Rows = 0;
        int row = 0, branch = 0;
        foreach (var (sequence, draws) in plan.Draws)
        {
            int branches = sequence.Contexts.Count;
            bool goesOn = true;
            for (int step = 0; goesOn && step < plan.Steps; step++)
            {
                for (int draw = 0; goesOn && draw < draws; draw++)
                    goesOn = Give(sequence, draw, step, row + draw, branch + draw * branches);
            }

            row += draws;
            branch += draws * branches;
        }
    }

    /// <summary>Gives one token; false where the sequence ended.</summary>
    private bool Give(Sequence sequence, int draw, int step, int row, int branch)
    {
        var result = runner.Results.Result(step, row);
        if (result.Invalid != 0)
        {
            Ended.Add(sequence);
            sequence.Sink.OnFailed(sequence, new SteerException(
                "The model gave logits that are no numbers, or every token is banned: check the weights and the logit bias."));
            return false;
        }

        Tokens++;
        Rows += sequence.Contexts.Count;
        if (sequence.KeepLogits)
            KeepLogits(sequence, draw);
        if (sequence.KeepHidden)
            KeepHidden(sequence, draw);
        if (sequence.Sampling.LogProbs is { } alternatives)
        {
            sequence.LogProbs.Add(LogProbs(
                result, runner.Results.Alternatives(step, row, alternatives), runner.Results.BranchLogProbs(step, branch, sequence.Contexts.Count)));
        }

        if (!Accept(sequence, result.Token))
            return true;
        Ended.Add(sequence);
        Finished++;
        return false;
    }

    /// <summary>Adds a token to its sequence; true where it ends the text.</summary>
    private static bool Accept(Sequence sequence, int token)
    {
        sequence.Generated.Add(token);
        FinishReason? reason = null;
        if (sequence.Stops.Contains(token) || sequence.Text?.Append(token) == true)
            reason = FinishReason.Stop;
        else if (sequence.Generated.Count >= sequence.MaxTokens)
            reason = sequence.Text?.Flush() == true ? FinishReason.Stop : FinishReason.Length;
        string piece = sequence.Text?.Release(final: reason is not null) ?? "";
        if (reason is null && sequence.StopWhen?.Invoke(piece) == true)
        {
            reason = FinishReason.Cut;
            piece += sequence.Text!.Release(final: true);
        }

        sequence.Sink.OnToken(sequence, token, piece, reason);
        return reason is not null;
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
        for (int i = 0; i < sequence.Contexts.Count; i++)
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
}
