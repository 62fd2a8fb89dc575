using System.Threading.Channels;

namespace Steer.Runtime.Engine;

/// <summary>Takes what a sequence gives; called on the engine's thread and must not block.</summary>
internal interface ISequenceSink
{
    /// <summary>A token was drawn; text is what became certain with it, and a reason tells that it is the last.</summary>
    void OnToken(Sequence sequence, int token, string text, FinishReason? reason);

    /// <summary>Raw logits [vocab] of one branch at one step; only where the sequence keeps them.</summary>
    void OnLogits(Sequence sequence, int branch, ReadOnlySpan<float> logits);

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
