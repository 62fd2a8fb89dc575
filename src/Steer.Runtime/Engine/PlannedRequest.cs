using Steer.Kernels;
using Steer.Runtime.Grammars;
using Steer.Runtime.Guidance;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Engine;

/// <summary>A request that was checked and tokenised: makes the sequences of its texts.</summary>
internal sealed class PlannedRequest(
    GenerationRequest request, GuidancePlan plan, int maxTokens, IReadOnlyList<int> eosIds, Tokenizer? tokenizer, TokenGrammar? grammar)
{
    private readonly int[] _stops = [.. request.Sampling.IgnoreEos ? [] : eosIds, .. request.Sampling.StopTokenIds];
    private readonly TokenBias[] _bans =
        [.. eosIds.Concat(request.Sampling.StopTokenIds).Select(t => new TokenBias { Token = t, Bias = float.NegativeInfinity })];

    /// <summary>The sequence of one of the request's texts; its seed is derived from the request's.</summary>
    public Sequence Create(int requestIndex, int sampleIndex, ISequenceSink sink)
    {
        var prompt = plan.Branches[plan.Reference].Context;
        var text = tokenizer is null ? null : new TextAssembler(tokenizer, prompt, request.Sampling.Stop);
        return new Sequence(plan, request.Sampling, maxTokens, Seeds.Derive(request.Seed, sampleIndex), text, sink)
        {
            StopWhen = request.StopWhen?.Invoke(),
            RequestIndex = requestIndex,
            SampleIndex = sampleIndex,
            Stops = _stops,
            Bans = _bans,
            Grammar = grammar is null ? null : new GrammarPath(grammar, plan.VocabSize),
        };
    }
}
