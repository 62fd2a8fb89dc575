using System.CommandLine;
using Steer.Runtime.Engine;

namespace Steer.Cli.Flags;

/// <summary>How tokens are drawn: vLLM's names with dashes.</summary>
internal sealed class SamplingFlags : FlagGroup
{
    private readonly Option<int?> _n;
    private readonly Option<ulong?> _seed;
    private readonly Option<int?> _maxTokens;
    private readonly Option<int?> _minTokens;
    private readonly Option<float?> _temperature;
    private readonly Option<float?> _targetEntropy;
    private readonly Option<int?> _topK;
    private readonly Option<float?> _topP;
    private readonly Option<float?> _minP;
    private readonly Option<float?> _typicalP;
    private readonly Option<float?> _epsilonCutoff;
    private readonly Option<float?> _etaCutoff;
    private readonly Option<float?> _topNSigma;
    private readonly Option<float?> _repetitionPenalty;
    private readonly Option<float?> _frequencyPenalty;
    private readonly Option<float?> _presencePenalty;
    private readonly Option<IReadOnlyDictionary<int, float>?> _logitBias;
    private readonly Option<string[]?> _stop;
    private readonly Option<int[]?> _stopTokenIds;
    private readonly Option<bool> _ignoreEos;
    private readonly Option<int?> _logProbs;

    /// <param name="sweep">Temperature and number of texts belong to another group, and log-probabilities are not for the user to ask for.</param>
    /// <param name="perPrompt">There are -n and --log-probs. A data set says how many texts it holds, and its lines tell the sums.</param>
    public SamplingFlags(bool sweep = false, bool perPrompt = true)
        : base("Sampling")
    {
        T Alone<T>(T option)
            where T : Option => sweep ? option : Add(option);
        T PerPrompt<T>(T option)
            where T : Option => perPrompt ? Alone(option) : option;
        _n = PerPrompt(Flag.Integer("--n", "N", "Texts for each prompt. Default: 1."));
        _n.Aliases.Add("-n");
        _seed = Add(Flag.Unsigned("--seed", "N", "The same seed makes the same texts. Default: 0."));
        _maxTokens = Add(Flag.Integer(
            "--max-tokens", "N", "Most tokens of a text. Default: the task's, or what the model's window leaves and the cache holds."));
        _minTokens = Add(Flag.Integer("--min-tokens", "N", "No end before this many tokens. Default: 0."));
        _temperature = Alone(Flag.Number("--temperature", "X", "Divides the scores; 0 takes the best token always. Default: 1."));
        _targetEntropy = Alone(Flag.NumberOr(
            "--target-entropy", "expert", SamplingParams.ExpertEntropy,
            "Solves the temperature of each step so that the guided distribution has the expert's entropy, or this many nats."));
        _topK = Add(Flag.Integer("--top-k", "N", "Keeps the best N tokens; 0 for all. Default: 0."));
        _topP = Add(Flag.Number("--top-p", "X", "Keeps the best tokens up to this mass. Default: 1."));
        _minP = Add(Flag.Number("--min-p", "X", "Keeps tokens of at least this share of the best one's probability. Default: 0."));
        _typicalP = Add(Flag.Number("--typical-p", "X", "Mass kept by locally typical sampling. Default: 1."));
        _epsilonCutoff = Add(Flag.Number("--epsilon-cutoff", "X", "Keeps tokens of at least this probability. Default: 0."));
        _etaCutoff = Add(Flag.Number("--eta-cutoff", "X", "Keeps tokens by a cutoff that depends on the entropy. Default: 0."));
        _topNSigma = Add(Flag.Number("--top-n-sigma", "X", "Keeps scores within X standard deviations of the best; 0 for all. Default: 0."));
        _repetitionPenalty = Add(Flag.Number("--repetition-penalty", "X", "Above 1 makes tokens of prompt and text less likely. Default: 1."));
        _frequencyPenalty = Add(Flag.Number("--frequency-penalty", "X", "Subtracted for each time a token was made. Default: 0."));
        _presencePenalty = Add(Flag.Number("--presence-penalty", "X", "Subtracted from tokens that were made. Default: 0."));
        _logitBias = Add(Flag.Parsed(
            "--logit-bias", "ID=X,...", "Added to the scores of tokens; -inf bans one.", "pairs such as 5=-2,17=-inf", TokenIds.ParseBiases));
        _stop = Add(Flag.Texts(
            "--stop", "TEXT",
            "Ends a text, and is cut off it; may be given again. \\n stands for a line end. Default: the task's."));
        _stopTokenIds = Add(Flag.Ids("--stop-token-ids", "Tokens that end a text."));
        _ignoreEos = Add(Flag.Switch("--ignore-eos", "End-of-sequence tokens do not end a text."));
        _logProbs = PerPrompt(OptionalCount());
    }

    /// <summary>Names of the flags, dashes included.</summary>
    public static IEnumerable<string> Names => new SamplingFlags().Options.Select(o => o.Name);

    /// <summary>The run's seed; texts get theirs by <see cref="Seeds.Derive"/>.</summary>
    public ulong Seed(ParseResult parsed) => parsed.GetValue(_seed) ?? 0;

    /// <summary>Puts what was given over the task's defaults, and checks it.</summary>
    public SamplingParams Apply(ParseResult parsed, SamplingParams defaults)
    {
        var sampling = defaults with
        {
            N = parsed.GetValue(_n) ?? defaults.N,
            Temperature = parsed.GetValue(_temperature) ?? defaults.Temperature,
            TargetEntropy = parsed.GetValue(_targetEntropy) ?? defaults.TargetEntropy,
            TopK = parsed.GetValue(_topK) ?? defaults.TopK,
            TopP = parsed.GetValue(_topP) ?? defaults.TopP,
            MinP = parsed.GetValue(_minP) ?? defaults.MinP,
            TypicalP = parsed.GetValue(_typicalP) ?? defaults.TypicalP,
            EpsilonCutoff = parsed.GetValue(_epsilonCutoff) ?? defaults.EpsilonCutoff,
            EtaCutoff = parsed.GetValue(_etaCutoff) ?? defaults.EtaCutoff,
            TopNSigma = parsed.GetValue(_topNSigma) ?? defaults.TopNSigma,
            RepetitionPenalty = parsed.GetValue(_repetitionPenalty) ?? defaults.RepetitionPenalty,
            FrequencyPenalty = parsed.GetValue(_frequencyPenalty) ?? defaults.FrequencyPenalty,
            PresencePenalty = parsed.GetValue(_presencePenalty) ?? defaults.PresencePenalty,
            LogitBias = parsed.GetValue(_logitBias) ?? defaults.LogitBias,
            MaxTokens = parsed.GetValue(_maxTokens) ?? defaults.MaxTokens,
            MinTokens = parsed.GetValue(_minTokens) ?? defaults.MinTokens,
            IgnoreEos = parsed.GetValue(_ignoreEos) || defaults.IgnoreEos,
            Stop = parsed.Given(_stop) is { } stop ? [.. stop.Select(Escapes.Read)] : defaults.Stop,
            StopTokenIds = parsed.Given(_stopTokenIds) ?? defaults.StopTokenIds,
            LogProbs = parsed.GetValue(_logProbs) ?? defaults.LogProbs,
        };
        sampling.Check();
        return sampling;
    }

    private static Option<int?> OptionalCount()
    {
        const string name = "--log-probs";
        return new Option<int?>(name, "--logprobs")
        {
            Description = "With --json: log-probabilities of every token, guided and of each branch, and of the N best (default: 0).",
            HelpName = "[N]",
            Arity = ArgumentArity.ZeroOrOne,
            CustomParser = result =>
            {
                if (result.Tokens.Count == 0)
                    return 0;
                if (Flag.TryInt(result.Tokens[0].Value, out int count))
                    return count;
                result.AddError($"{name} is '{result.Tokens[0].Value}': give a whole number, or none.");
                return null;
            },
        };
    }
}
