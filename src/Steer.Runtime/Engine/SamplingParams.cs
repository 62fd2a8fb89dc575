using System.Globalization;
using Steer.Runtime.Grammars;

namespace Steer.Runtime.Engine;

/// <summary>
/// How tokens are drawn. Names, defaults and meaning are vLLM's: presence and frequency penalties look at generated tokens,
/// the repetition penalty at prompt and output; temperature 0 is greedy. typical_p, epsilon_cutoff and eta_cutoff are transformers'.
/// </summary>
public sealed record SamplingParams
{
    /// <summary>Texts per prompt; at most <see cref="MaxN"/> in one request, all of which wait in memory.</summary>
    public int N { get; init; } = 1;

    /// <summary>Most texts of a request.</summary>
    public const int MaxN = 1 << 20;

    /// <summary>Divides the scores; 0 is greedy.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>
    /// Entropy in nats that the distribution has at every step before truncation: the temperature is solved for (see
    /// <see cref="Kernels.Device.GuideAndSample"/>) instead of given. <see cref="ExpertEntropy"/> for that of the expert, so that guidance changes
    /// what is likely and not how much is left to chance. Null for a temperature.
    /// </summary>
    public float? TargetEntropy { get; init; }

    /// <summary><see cref="TargetEntropy"/>: the expert's own at each step (that of the branch that makes the mask), over the mask.</summary>
    public const float ExpertEntropy = Kernels.GuideRow.ReferenceEntropy;

    /// <summary>Keeps the k best tokens and those tied with the k-th; 0 or -1 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the smallest set of best tokens with this mass, in (0, 1].</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Keeps tokens with at least this share of the best one's probability, in [0, 1].</summary>
    public float MinP { get; init; }

    /// <summary>Mass kept by locally typical sampling, in (0, 1].</summary>
    public float TypicalP { get; init; } = 1;

    /// <summary>Keeps tokens of at least this probability, in [0, 1).</summary>
    public float EpsilonCutoff { get; init; }

    /// <summary>Keeps tokens by the entropy-dependent eta cutoff, in [0, 1).</summary>
    public float EtaCutoff { get; init; }

    /// <summary>Keeps scores within n standard deviations of the best; 0 for all.</summary>
    public float TopNSigma { get; init; }

    /// <summary>Multiplicative penalty on tokens of prompt and output, above 0; 1 for none.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted for each time a token was generated.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Subtracted from tokens that were generated.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Added to the scores of tokens; minus infinity bans one.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init; } = new Dictionary<int, float>();

    /// <summary>Most tokens generated; null for what the model's window leaves and the cache of keys and values holds.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>End-of-sequence and stop tokens are banned before this many tokens.</summary>
    public int MinTokens { get; init; }

    /// <summary>End-of-sequence tokens do not end the text.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Texts that end generation; they are cut off the result.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Tokens that end generation, beside the model's end-of-sequence tokens.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>What a text has to be: a match of a regular expression, JSON of a schema, or one of several texts. Null for anything.</summary>
    public StructuredOutput? StructuredOutput { get; init; }

    /// <summary>Null for no log-probabilities; else how many alternatives are reported beside the drawn token.</summary>
    public int? LogProbs { get; init; }

    /// <summary>Most alternatives that can be asked for.</summary>
    public const int MaxLogProbs = 20;

    /// <summary>Whether scores depend on which tokens were seen before.</summary>
    internal bool HasPenalties => RepetitionPenalty != 1 || FrequencyPenalty != 0 || PresencePenalty != 0;

    /// <summary>Throws where a number is not one, or is outside its range.</summary>
    /// <exception cref="SteerException">One line that names the parameter.</exception>
    public void Check()
    {
        Require(N >= 1, "n", N, "at least 1");
        Require(float.IsFinite(Temperature) && Temperature >= 0, "temperature", Temperature, "at least 0");
        Require(
            TargetEntropy is null or ExpertEntropy or > 0 and < float.PositiveInfinity, "target-entropy", TargetEntropy ?? 0,
            "a number of nats above 0, or the expert's");
        Require(TargetEntropy is null || Temperature == 1, "temperature", Temperature, "left out beside target-entropy");
        Require(TopK >= -1, "top-k", TopK, "at least 1, or 0 for all");
        Require(TopP is > 0 and <= 1, "top-p", TopP, "above 0 and at most 1");
        Require(MinP is >= 0 and <= 1, "min-p", MinP, "between 0 and 1");
        Require(TypicalP is > 0 and <= 1, "typical-p", TypicalP, "above 0 and at most 1");
        Require(EpsilonCutoff is >= 0 and < 1, "epsilon-cutoff", EpsilonCutoff, "at least 0 and below 1");
        Require(EtaCutoff is >= 0 and < 1, "eta-cutoff", EtaCutoff, "at least 0 and below 1");
        Require(float.IsFinite(TopNSigma) && TopNSigma >= 0, "top-n-sigma", TopNSigma, "at least 0");
        Require(float.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, "repetition-penalty", RepetitionPenalty, "above 0");
        Require(FrequencyPenalty is >= -2 and <= 2, "frequency-penalty", FrequencyPenalty, "between -2 and 2");
        Require(PresencePenalty is >= -2 and <= 2, "presence-penalty", PresencePenalty, "between -2 and 2");
        Require(MaxTokens is null or >= 1, "max-tokens", MaxTokens ?? 0, "at least 1");
        Require(MinTokens >= 0, "min-tokens", MinTokens, "at least 0");
        Require(MaxTokens is null || MinTokens <= MaxTokens, "min-tokens", MinTokens, "at most max-tokens");
        Require(LogProbs is null or (>= 0 and <= MaxLogProbs), "log-probs", LogProbs ?? 0, $"between 0 and {MaxLogProbs}");
        foreach (var (token, bias) in LogitBias)
            Require(!float.IsNaN(bias) && bias < float.PositiveInfinity, $"logit-bias of token {token}", bias, "a finite number, or -inf to ban it");
        StructuredOutput?.Check();
        Require(
            StructuredOutput is null || MinTokens == 0, "min-tokens", MinTokens,
            "left out beside structured output, which tells where a text may end");
        if (StructuredOutput is not null && IgnoreEos)
            throw new SteerException("Structured output ends with an end-of-sequence token: leave ignore-eos out.");
        if (Stop.Any(string.IsNullOrEmpty))
            throw new SteerException("A stop text is empty: leave it out, or give at least one character.");
    }

    private static void Require(bool holds, string name, IFormattable value, string range)
    {
        if (!holds)
            throw new SteerException($"{name} is {value.ToString(null, CultureInfo.InvariantCulture)}: it must be {range}.");
    }
}
