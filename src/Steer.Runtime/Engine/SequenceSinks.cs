using System.Threading.Channels;

namespace Steer.Runtime.Engine;

/// <summary>Takes what a sequence gives; called on the engine's thread and must not block.</summary>
internal interface ISequenceSink
{
    /// <summary>Wants the text piece by piece; else pieces are empty, and <see cref="Sequence.Result"/> has the whole.</summary>
    bool TakesPieces => false;

    /// <summary>A token was drawn; text is what became certain with it, and a reason tells that it is the last.</summary>
    void OnToken(Sequence sequence, int token, string text, FinishReason? reason);

    /// <summary>Raw logits [vocab] of one branch at one step; only where the sequence keeps them.</summary>
    void OnLogits(Sequence sequence, int branch, ReadOnlySpan<float> logits);

    /// <summary>The hidden state [hidden size] after the final norm at one step; only where the sequence keeps them.</summary>
    void OnHidden(Sequence sequence, ReadOnlySpan<float> hidden)
    {
    }

    /// <summary>The text cannot be finished.</summary>
    void OnFailed(Sequence sequence, Exception error);
}

/// <summary>Collects finished texts.</summary>
internal sealed class ResultSink : ISequenceSink
{
    public Channel<(Sequence Sequence, GenerationResult? Result)> Channel { get; } =
        System.Threading.Channels.Channel.CreateUnbounded<(Sequence, GenerationResult?)>();

    public void OnToken(Sequence sequence, int token, string text, FinishReason? reason)
    {
        if (reason is { } r)
            Channel.Writer.TryWrite((sequence, sequence.Result(r)));
    }

    public void OnLogits(Sequence sequence, int branch, ReadOnlySpan<float> logits)
    {
    }

    public void OnFailed(Sequence sequence, Exception error)
    {
        sequence.Error = error;
        Channel.Writer.TryWrite((sequence, null));
    }
}

/// <summary>Passes tokens on as they come.</summary>
internal sealed class TokenSink : ISequenceSink
{
    public Channel<(Sequence Sequence, GeneratedToken? Token)> Channel { get; } =
        System.Threading.Channels.Channel.CreateUnbounded<(Sequence, GeneratedToken?)>();

    public bool TakesPieces => true;

    public void OnToken(Sequence sequence, int token, string text, FinishReason? reason) => Channel.Writer.TryWrite(
        (sequence, new GeneratedToken(sequence.SampleIndex, token, text, reason is { } r ? sequence.Result(r) : null)));

    public void OnLogits(Sequence sequence, int branch, ReadOnlySpan<float> logits)
    {
    }

    public void OnFailed(Sequence sequence, Exception error)
    {
        sequence.Error = error;
        Channel.Writer.TryWrite((sequence, null));
    }
}

/// <summary>Collects the log-probabilities, and where asked the logits, of one scored text.</summary>
internal sealed class ScoreSink : ISequenceSink
{
    private readonly List<float[]> _logits = [];

    public TaskCompletionSource<ScoreResult> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void OnToken(Sequence sequence, int token, string text, FinishReason? reason)
    {
        if (reason is null)
            return;
        Result.TrySetResult(new ScoreResult
        {
            TokenIds = sequence.Generated,
            Branches = [.. sequence.Plan.Branches.Select(b => b.Name)],
            LogProbs = sequence.LogProbs,
            Logits = sequence.KeepLogits ? _logits : null,
            Warnings = sequence.Plan.Warnings,
        });
    }

    public void OnLogits(Sequence sequence, int branch, ReadOnlySpan<float> logits)
    {
        if (branch == sequence.Plan.Reference)
            _logits.Add(logits.ToArray());
    }

    public void OnFailed(Sequence sequence, Exception error) => Result.TrySetException(error);
}

/// <summary>Adds up the hidden states of one text.</summary>
/// <param name="skip">States of leading tokens that are no part of the text.</param>
/// <param name="width">Hidden size.</param>
internal sealed class EmbeddingSink(int skip, int width) : ISequenceSink
{
    private readonly double[] _sum = new double[width];
    private int _states;

    public TaskCompletionSource<float[]> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void OnToken(Sequence sequence, int token, string text, FinishReason? reason)
    {
        if (reason is not null)
            Result.TrySetResult([.. _sum.Select(s => (float)(s / (_states - skip)))]);
    }

    public void OnLogits(Sequence sequence, int branch, ReadOnlySpan<float> logits)
    {
    }

    public void OnHidden(Sequence sequence, ReadOnlySpan<float> hidden)
    {
        // In float64 and in the order of the tokens, so that the sum does not depend on how steps divided the text.
        if (_states++ < skip)
            return;
        for (int i = 0; i < hidden.Length; i++)
            _sum[i] += hidden[i];
    }

    public void OnFailed(Sequence sequence, Exception error) => Result.TrySetException(error);
}
