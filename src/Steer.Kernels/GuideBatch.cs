using System.Runtime.InteropServices;

namespace Steer.Kernels;

/// <summary>One branch of a guided sequence: which row of logits it has and what it weighs.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct GuideBranch
{
    /// <summary>Row of <see cref="GuideBatch.Logits"/>.</summary>
    public int LogitsRow;

    /// <summary>Weight w_j of the branch, or of its whole group (then the same in every member). Never 0.</summary>
    public float Weight;

    /// <summary>1 where an end-of-sequence token takes the reference branch's log-probability instead of this branch's; else 0.</summary>
    public int ExemptEos;

    /// <summary>
    /// Branches that this one stands for: 1 alone; m at the first of m neighbours whose probabilities are averaged
    /// (log-mean-exp of their log-probabilities) before the weight; 0 at the others of such a group.
    /// </summary>
    public int GroupSize;
}

/// <summary>
/// How one guided sequence draws its next token. Names, defaults and meaning follow vLLM's SamplingParams and transformers' processors.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct GuideRow
{
    /// <summary><see cref="TargetEntropy"/>: the entropy of the reference branch.</summary>
    public const float ReferenceEntropy = -1;

    /// <summary>First branch in <see cref="GuideBatch.Branches"/>.</summary>
    public int BranchStart;

    /// <summary>Number of branches, at least 1.</summary>
    public int BranchCount;

    /// <summary>Branch (counted from <see cref="BranchStart"/>) whose log-probabilities make the mask.</summary>
    public int Reference;

    /// <summary>Tokens that all branches have: columns of logits that are read.</summary>
    public int VocabSize;

    /// <summary>Plausibility mask: l_r(x) at least log(Alpha) + max l_r; 0 for none. In [0, 1).</summary>
    public float Alpha;

    /// <summary>Where above 0 the mask is instead the smallest set of reference tokens with this mass (dexperts).</summary>
    public float NucleusMass;

    /// <summary>Log-probabilities below it are raised to it before they are weighed; finite.</summary>
    public float Floor;

    /// <summary>Divides positive and multiplies negative values of s + logsumexp(z_r) for tokens of prompt and output; 1 for none.</summary>
    public float RepetitionPenalty;

    /// <summary>Subtracted once for each time a token was generated; 0 for none.</summary>
    public float FrequencyPenalty;

    /// <summary>Subtracted once from each token that was generated; 0 for none.</summary>
    public float PresencePenalty;

    /// <summary>Divides the scores; 0 is greedy (the lowest token id of the best).</summary>
    public float Temperature;

    /// <summary>
    /// Where not 0 the temperature is instead the one at which the distribution, before truncation, has this entropy in nats; where below 0, the
    /// entropy of the reference branch over V (<see cref="ReferenceEntropy"/>). See <see cref="Device.GuideAndSample"/>; nothing where greedy.
    /// </summary>
    public float TargetEntropy;

    /// <summary>Keeps the k best, and those tied with the k-th; 0 for all.</summary>
    public int TopK;

    /// <summary>Keeps the smallest set of best tokens with this mass; 1 for all.</summary>
    public float TopP;

    /// <summary>Keeps tokens of at least this share of the best token's probability; 0 for all.</summary>
    public float MinP;

    /// <summary>Locally typical sampling (Meister et al., arXiv 2202.00666): mass kept; 1 for all.</summary>
    public float TypicalP;

    /// <summary>Keeps tokens of at least this probability (Hewitt et al., arXiv 2210.15191); 0 for all.</summary>
    public float EpsilonCutoff;

    /// <summary>Keeps tokens of at least min(eta, sqrt(eta) * exp(-entropy)) (Hewitt et al.); 0 for all.</summary>
    public float EtaCutoff;

    /// <summary>Keeps scores of at least max - n * standard deviation over standing tokens (Tang et al., arXiv 2411.07641); 0 for all.</summary>
    public float TopNSigma;

    /// <summary>Key of the random numbers: the seed of the item.</summary>
    public ulong Seed;

    /// <summary>Counter of the random numbers: index of the token in the output, from 0.</summary>
    public int Step;

    /// <summary>
    /// Token that is taken instead of a drawn one, or -1. It wins over the mask and over bans; its guided log-probability is minus infinity
    /// outside the mask. Entropy and Kept are those of the distribution that would have been drawn from.
    /// </summary>
    public int ForcedToken;

    /// <summary>First entry in <see cref="GuideBatch.Biases"/>.</summary>
    public int BiasStart;

    /// <summary>Entries in <see cref="GuideBatch.Biases"/>.</summary>
    public int BiasCount;

    /// <summary>Row of <see cref="GuideBatch.PenaltyCounts"/>, or -1 where no penalty applies.</summary>
    public int PenaltySlot;

    /// <summary>1 where tokens without a bit in <see cref="GuideBatch.AllowedTokens"/> are banned (a grammar refuses them); else 0.</summary>
    public int Restricted;

    /// <summary>How many of the best tokens by guided log-probability are reported; at most <see cref="GuideBatch.MaxAlternatives"/>.</summary>
    public int Alternatives;
}

/// <summary>
/// A change to one token's score. Minus infinity bans the token (it leaves the set A before the mask is made); a finite bias is added after the mask.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct TokenBias
{
    /// <summary>The token.</summary>
    public int Token;

    /// <summary>Added to its guided score.</summary>
    public float Bias;
}

/// <summary>A token and its guided log-probability.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct TokenLogProb
{
    /// <summary>The token, or -1 where fewer tokens stand than were asked for.</summary>
    public int Token;

    /// <summary>log_softmax of the guided scores over the mask, in nats.</summary>
    public float LogProb;
}

/// <summary>What one guided step gave.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct GuideResult
{
    /// <summary>The token.</summary>
    public int Token;

    /// <summary>Its guided log-probability: log_softmax(s) over the mask, before bias, penalties, temperature and truncation.</summary>
    public float LogProb;

    /// <summary>Entropy in nats of the distribution that was drawn from; 0 when greedy.</summary>
    public float Entropy;

    /// <summary>What the scores were divided by; 0 when greedy.</summary>
    public float Temperature;

    /// <summary>Tokens in the plausibility mask.</summary>
    public int MaskSize;

    /// <summary>Tokens left to draw from after truncation.</summary>
    public int Kept;

    /// <summary>
    /// 1 where the step is not to be used: a logit was NaN or plus infinity, a branch had no finite logit, no allowed token has one in the
    /// reference, or a score overflowed. <see cref="Token"/> is then the forced one, or the lowest that is not banned; nothing was counted. Else 0.
    /// </summary>
    public int Invalid;
}

/// <summary>Everything one launch of GuideAndSample reads and writes; all arrays are in device memory.</summary>
public sealed class GuideBatch : IDisposable
{
    /// <summary>Set in <see cref="PenaltyCounts"/> for a token of the prompt; the bits below count how often it was generated.</summary>
    public const int PromptFlag = 1 << 30;

    private readonly DeviceMemory _memory;

    /// <summary>Allocates room for a batch.</summary>
    /// <param name="device">Where the arrays live.</param>
    /// <param name="maxSequences">Most guided sequences.</param>
    /// <param name="maxBranches">Most branches of all sequences together: rows of logits.</param>
    /// <param name="vocabSize">Columns of logits: the widest vocabulary.</param>
    /// <param name="penaltySlots">Sequences that may have penalties at once.</param>
    /// <param name="maxBiases">Most bias entries of all sequences together.</param>
    /// <param name="maxAlternatives">Most alternatives reported for a sequence.</param>
    /// <param name="eosIds">Tokens that end a text.</param>
    public GuideBatch(
        Device device, int maxSequences, int maxBranches, int vocabSize, int penaltySlots, int maxBiases, int maxAlternatives,
        ReadOnlySpan<int> eosIds)
    {
        Device = device;
        _memory = new DeviceMemory(device);
        VocabSize = vocabSize;
        MaxAlternatives = maxAlternatives;
        EosCount = eosIds.Length;
        Logits = new Tensor(_memory.Allocate<float>((long)maxBranches * vocabSize), maxBranches, vocabSize);
        Rows = _memory.Allocate<GuideRow>(maxSequences);
        Branches = _memory.Allocate<GuideBranch>(maxBranches);
        Biases = _memory.Allocate<TokenBias>(Math.Max(1, maxBiases));
        PenaltyCounts = _memory.Allocate<int>(Math.Max(1, (long)penaltySlots * vocabSize));
        AllowedTokens = _memory.Allocate<uint>((long)maxSequences * AllowedWords);
        EosIds = _memory.Allocate<int>(Math.Max(1, eosIds.Length));
        EosIds.Upload(eosIds);
        Results = _memory.Allocate<GuideResult>(maxSequences);
        BranchLogProbs = _memory.Allocate<float>(maxBranches);
        Alternatives = _memory.Allocate<TokenLogProb>(Math.Max(1, (long)maxSequences * maxAlternatives));
    }

    /// <summary>Where the arrays live.</summary>
    public Device Device { get; }

    /// <summary>Width of a row of logits and of penalty counts.</summary>
    public int VocabSize { get; }

    /// <summary>Alternatives reserved for each sequence.</summary>
    public int MaxAlternatives { get; }

    /// <summary>Number of <see cref="EosIds"/>.</summary>
    public int EosCount { get; }

    /// <summary>Sequences in this launch.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than none, or more than the batch has room for.</exception>
    public int Sequences
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Rows.Length);
            field = value;
        }
    }

    /// <summary>Raw logits of the branches [branches, VocabSize], written by the decoders.</summary>
    public Tensor Logits { get; }

    /// <summary>One for each sequence [sequences].</summary>
    public DeviceBuffer<GuideRow> Rows { get; }

    /// <summary>Branches of all sequences [branches].</summary>
    public DeviceBuffer<GuideBranch> Branches { get; }

    /// <summary>Biases of all sequences.</summary>
    public DeviceBuffer<TokenBias> Biases { get; }

    /// <summary>
    /// For each slot and token: <see cref="PromptFlag"/> and the number of times generated [slots, VocabSize]. The kernel counts the token it draws.
    /// </summary>
    public DeviceBuffer<int> PenaltyCounts { get; }

    /// <summary>
    /// Tokens that the <see cref="GuideRow.Restricted"/> sequences may draw [sequences, <see cref="AllowedWords"/>]: bit x % 32 of word x / 32 is
    /// that of token x.
    /// </summary>
    public DeviceBuffer<uint> AllowedTokens { get; }

    /// <summary>Words of a row of <see cref="AllowedTokens"/>.</summary>
    public int AllowedWords => (VocabSize + 31) / 32;

    /// <summary>Tokens that end a text [EosCount].</summary>
    public DeviceBuffer<int> EosIds { get; }

    /// <summary>Out: one for each sequence.</summary>
    public DeviceBuffer<GuideResult> Results { get; }

    /// <summary>Out: raw l_j of the token taken, for each branch [branches].</summary>
    public DeviceBuffer<float> BranchLogProbs { get; }

    /// <summary>Out: the best tokens by guided log-probability [sequences, MaxAlternatives], descending, lower id first where equal.</summary>
    public DeviceBuffer<TokenLogProb> Alternatives { get; }

    /// <summary>What a device keeps for its kernel from one launch to the next; made by the first launch, disposed with the batch.</summary>
    internal IDisposable? Workspace { get; set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Workspace?.Dispose();
        _memory.Dispose();
    }
}
