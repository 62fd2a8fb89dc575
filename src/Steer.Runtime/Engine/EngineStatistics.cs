namespace Steer.Runtime.Engine;

/// <summary>What an engine did since it was loaded.</summary>
/// <param name="Steps">Forward passes.</param>
/// <param name="Rounds">Times the host planned them: several decode steps may follow each other in one.</param>
/// <param name="PrefillRows">Tokens of prompts, negatives and texts to score that were computed, over all branches.</param>
/// <param name="SharedRows">Tokens of prompts and negatives that were found in the cache instead.</param>
/// <param name="DecodeRows">Rows computed to draw tokens: one for each branch of each token.</param>
/// <param name="GeneratedTokens">Tokens drawn.</param>
/// <param name="FinishedTexts">Texts finished.</param>
/// <param name="PrefillSeconds">Time spent on prompts; a step that did both is split by its rows.</param>
/// <param name="DecodeSeconds">Time spent on drawn tokens.</param>
/// <param name="Preemptions">Times a sequence gave its cache back and was computed again.</param>
/// <param name="Synchronisations">Times the host waited for the device; 0 where the device is the host.</param>
/// <param name="WeightBytes">Packed weights of full checkpoints.</param>
/// <param name="AdapterBytes">Adapters.</param>
/// <param name="KvCacheBytes">Keys and values, reserved.</param>
/// <param name="KvPeakBytes">Keys and values, most in use at once.</param>
/// <param name="ScratchBytes">Activations.</param>
public readonly record struct EngineStatistics(
    long Steps, long Rounds, long PrefillRows, long SharedRows, long DecodeRows, long GeneratedTokens, long FinishedTexts,
    double PrefillSeconds, double DecodeSeconds, int Preemptions, long Synchronisations,
    long WeightBytes, long AdapterBytes, long KvCacheBytes, long KvPeakBytes, long ScratchBytes)
{
    /// <summary>Weights, adapters, cache and activations, in bytes.</summary>
    public long MemoryBytes => WeightBytes + AdapterBytes + KvCacheBytes + ScratchBytes;
}
