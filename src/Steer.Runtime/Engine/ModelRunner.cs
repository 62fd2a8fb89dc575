using System.Runtime.InteropServices;
using Steer.Kernels;
using Steer.Runtime.Guidance;
using Steer.Runtime.Models;

namespace Steer.Runtime.Engine;

/// <summary>Carries out a step: one forward pass for each shape of model, then the guided draws of every sequence that is ready.</summary>
internal sealed class ModelRunner : IDisposable
{
    /// <summary>Most bias entries of one sequence: its logit_bias and the tokens that min_tokens bans.</summary>
    public const int MaxBiases = 1024;

    private readonly ModelSet _models;
    private readonly DecoderUnit[] _units;
    private readonly GuideBatch _guide;
    private readonly int _vocabSize;
    private readonly GuideRow[] _rows;
    private readonly GuideBranch[] _branches;
    private readonly List<TokenBias> _biases = [];
    private readonly Stack<int> _penaltySlots;
    private readonly Dictionary<Context, int> _logitRows = [];

    public ModelRunner(Device device, ModelSet models, IReadOnlyList<int> numBlocks, StepLimits limits)
    {
        _models = models;
        _vocabSize = models.Shapes.Max(s => s.VocabSize);
        _guide = new GuideBatch(
            device, limits.MaxContexts, limits.MaxContexts, _vocabSize, limits.MaxSequences, limits.MaxSequences * MaxBiases,
            SamplingParams.MaxLogProbs, [.. models.EosIds]);
        _units = [.. models.Shapes.Select((s, i) => new DecoderUnit(device, s, numBlocks[i], limits, models.Variants.Where(v => v.Decoder == i)))];
        _rows = new GuideRow[limits.MaxContexts];
        _branches = new GuideBranch[limits.MaxContexts];
        _penaltySlots = new Stack<int>(Enumerable.Range(0, limits.MaxSequences));
        Results = new GuideResult[limits.MaxContexts];
        BranchLogProbs = new float[limits.MaxContexts];
        Alternatives = new TokenLogProb[limits.MaxContexts * SamplingParams.MaxLogProbs];
    }

    /// <summary>What the last step gave, draw by draw in the order of <see cref="StepPlan.Draws"/>.</summary>
    public GuideResult[] Results { get; }

    /// <summary>Log-probabilities of the drawn tokens under each branch, draw by draw.</summary>
    public float[] BranchLogProbs { get; }

    /// <summary>Alternatives, <see cref="SamplingParams.MaxLogProbs"/> for each draw.</summary>
    public TokenLogProb[] Alternatives { get; }

    public long ScratchBytes => _units.Sum(u => u.Decoder.ScratchBytes);

    /// <summary>Runs the plan; afterwards the results of its sequences are here.</summary>
    public void Execute(StepPlan plan)
    {
        _logitRows.Clear();
        int logits = 0;
        foreach (var unit in _units)
            logits += unit.Forward(plan, _guide.Logits, logits, _logitRows);
        if (plan.Draws.Count > 0)
            Sample(plan.Draws);
    }

    /// <summary>Copies the raw logits of one branch at one of the draws of the last step.</summary>
    public void ReadLogits(Context context, int draw, Span<float> logits) =>
        _guide.Logits.Buffer.Download(logits, (long)(_logitRows[context] + draw) * _vocabSize);

    /// <summary>Copies the hidden state [hidden size] from which the logits of one branch at one of the draws of the last step were made.</summary>
    public void ReadHidden(Context context, int draw, Span<float> hidden)
    {
        var unit = Array.Find(_units, u => u.Runs(context.Variant))!;
        var rows = unit.Decoder.LogitHidden;
        rows.Buffer.Download(hidden, rows.Offset + (long)(_logitRows[context] - unit.FirstLogitRow + draw) * rows.Stride);
    }

    /// <summary>Gives a sequence with penalties its row of counts, filled with what it has seen.</summary>
    public void Admit(Sequence sequence)
    {
        if (!sequence.Sampling.HasPenalties || sequence.PenaltySlot >= 0)
            return;
        sequence.PenaltySlot = _penaltySlots.Pop();
        var counts = new int[_vocabSize];
        foreach (int token in sequence.Prompt)
            counts[token] |= GuideBatch.PromptFlag;
        foreach (int token in sequence.Generated)
            counts[token]++;
        _guide.PenaltyCounts.Upload(counts, (long)sequence.PenaltySlot * _vocabSize);
    }

    /// <summary>Takes the row of counts back.</summary>
    public void Retire(Sequence sequence)
    {
        if (sequence.PenaltySlot < 0)
            return;
        _penaltySlots.Push(sequence.PenaltySlot);
        sequence.PenaltySlot = -1;
    }

    public void Dispose()
    {
        foreach (var unit in _units)
            unit.Dispose();
        _guide.Dispose();
    }

    private void Sample(List<ScheduledDraw> draws)
    {
        int row = 0, branch = 0;
        bool alternatives = false;
        _biases.Clear();
        foreach (var (sequence, count) in draws)
        {
            Admit(sequence);
            Temper(sequence, count);
            for (int draw = 0; draw < count; draw++)
            {
                _rows[row++] = Row(sequence, draw, branch);
                foreach (var context in sequence.Contexts)
                {
                    _branches[branch++] = new GuideBranch
                    {
                        LogitsRow = _logitRows[context] + draw,
                        Weight = context.Branch.Weight,
                        ExemptEos = context.Branch.ExemptEos ? 1 : 0,
                        GroupSize = context.Branch.GroupSize,
                    };
                }
            }

            alternatives |= sequence.Sampling.LogProbs > 0;
        }

        _guide.Sequences = row;
        _guide.Rows.Upload(_rows.AsSpan(0, row));
        _guide.Branches.Upload(_branches.AsSpan(0, branch));
        _guide.Biases.Upload(CollectionsMarshal.AsSpan(_biases));
        _guide.Device.GuideAndSample(_guide);
        _guide.Results.Download(Results.AsSpan(0, row));
        _guide.BranchLogProbs.Download(BranchLogProbs.AsSpan(0, branch));
        if (alternatives)
            _guide.Alternatives.Download(Alternatives.AsSpan(0, row * SamplingParams.MaxLogProbs));
    }

    /// <summary>Divides the logits of branches that have a temperature of their own (an amateur's).</summary>
    private void Temper(Sequence sequence, int draws)
    {
        foreach (var context in sequence.Contexts)
        {
            if (context.Branch.Temperature != 1)
                _guide.Device.ScaleAndCap(_guide.Logits.RowSlice(_logitRows[context], draws), 1 / context.Branch.Temperature, cap: 0);
        }
    }

    /// <summary>Tokens that all branches of a plan have.</summary>
    private int CommonVocab(GuidancePlan plan) => plan.Branches.Min(b => _models[b.Variant].Config.VocabSize);

    private GuideRow Row(Sequence sequence, int draw, int branchStart)
    {
        var sampling = sequence.Sampling;
        var plan = sequence.Plan;
        int biasStart = _biases.Count, step = sequence.Generated.Count + draw;
        _biases.AddRange(sequence.Biases);
        if (step < sampling.MinTokens)
        {
            foreach (int token in _models.EosIds.Concat(sampling.StopTokenIds))
                _biases.Add(new TokenBias { Token = token, Bias = float.NegativeInfinity });
        }

        return new GuideRow
        {
            BranchStart = branchStart,
            BranchCount = plan.Branches.Count,
            Reference = plan.Reference,
            VocabSize = CommonVocab(plan),
            Alpha = plan.Alpha,
            NucleusMass = plan.NucleusMass,
            Floor = plan.Floor,
            RepetitionPenalty = sampling.RepetitionPenalty,
            FrequencyPenalty = sampling.FrequencyPenalty,
            PresencePenalty = sampling.PresencePenalty,
            Temperature = sampling.Temperature,
            TargetEntropy = sampling.TargetEntropy ?? 0,
            TopK = Math.Max(0, sampling.TopK),
            TopP = sampling.TopP,
            MinP = sampling.MinP,
            TypicalP = sampling.TypicalP,
            EpsilonCutoff = sampling.EpsilonCutoff,
            EtaCutoff = sampling.EtaCutoff,
            TopNSigma = sampling.TopNSigma,
            Seed = sequence.Seed,
            Step = step,
            ForcedToken = sequence.Forced is { } forced ? forced[step] : -1,
            BiasStart = biasStart,
            BiasCount = _biases.Count - biasStart,
            PenaltySlot = sequence.PenaltySlot,
            Alternatives = sampling.LogProbs ?? 0,
        };
    }
}
