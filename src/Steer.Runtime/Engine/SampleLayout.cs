using System.Runtime.InteropServices;
using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>Lays the draws of a plan into the arrays that GuideAndSample and Advance read.</summary>
internal sealed class SampleLayout(GuideBatch guide, DecodeBatch decode)
{
    private readonly List<GuideRow> _rows = [];
    private readonly List<GuideBranch> _branches = [];
    private readonly List<TokenBias> _biases = [];
    private readonly List<DecodeRow> _states = [];
    private readonly List<int> _stops = [];
    private readonly uint[] _allowed = new uint[guide.AllowedWords];

    /// <summary>Rows of logits of branches that have a temperature of their own (an amateur's).</summary>
    public List<(int FirstRow, int Rows, float Temperature)> Tempered { get; } = [];

    /// <summary>Lays the plan, and <paramref name="padding"/> more copies of its last sequence, which are finished.</summary>
    /// <param name="plan">What is drawn.</param>
    /// <param name="padding">Copies.</param>
    /// <param name="logitRows">First row of logits of each context.</param>
    public void Lay(StepPlan plan, int padding, Dictionary<Context, int> logitRows)
    {
        _rows.Clear();
        _branches.Clear();
        _biases.Clear();
        _states.Clear();
        _stops.Clear();
        Tempered.Clear();
        foreach (var (sequence, draws) in plan.Draws)
        {
            Temper(sequence, draws, logitRows);
            for (int draw = 0; draw < draws; draw++)
            {
                if (sequence.Grammar is { } grammar)
                    guide.AllowedTokens.Upload(Words(grammar.Allowed(draw)), (long)_rows.Count * guide.AllowedWords);
                _rows.Add(Row(sequence, draw));
                AddBranches(sequence, draw, logitRows);
            }
        }

        guide.Sequences = _rows.Count + padding;
        if (plan.Steps > 1)
            LayStates(plan, padding, logitRows);
        decode.Branches = _branches.Count;
        guide.Rows.Upload(CollectionsMarshal.AsSpan(_rows));
        guide.Branches.Upload(CollectionsMarshal.AsSpan(_branches));
        guide.Biases.Upload(CollectionsMarshal.AsSpan(_biases));
    }

    /// <summary>How far each sequence may go on its own.</summary>
    private void LayStates(StepPlan plan, int padding, Dictionary<Context, int> logitRows)
    {
        foreach (var (sequence, _) in plan.Draws)
        {
            _states.Add(new DecodeRow
            {
                MaxTokens = sequence.MaxTokens,
                MinTokens = sequence.Sampling.MinTokens,
                FreeBiasCount = sequence.Biases.Count,
                StopStart = _stops.Count,
                StopCount = sequence.Stops.Count,
            });
            _stops.AddRange(sequence.Stops);
        }

        for (int i = 0; i < padding; i++)
        {
            _rows.Add(_rows[plan.Draws.Count - 1] with { BranchStart = _branches.Count, PenaltySlot = -1, Alternatives = 0 });
            AddBranches(plan.Draws[^1].Sequence, 0, logitRows);
            _states.Add(_states[plan.Draws.Count - 1] with { Finished = 1 });
        }

        decode.Rows.Upload(CollectionsMarshal.AsSpan(_states));
        decode.StopIds.Upload(CollectionsMarshal.AsSpan(_stops));
    }

    private void Temper(Sequence sequence, int draws, Dictionary<Context, int> logitRows)
    {
        foreach (var context in sequence.Contexts)
        {
            if (context.Branch.Temperature != 1)
                Tempered.Add((logitRows[context], draws, context.Branch.Temperature));
        }
    }

    /// <summary>Bits of a whole row: the grammar's vocabulary is the tokenizer's, which may be shorter or longer than the models'.</summary>
    private ReadOnlySpan<uint> Words(ReadOnlySpan<uint> bits)
    {
        _allowed.AsSpan().Clear();
        bits[..Math.Min(bits.Length, _allowed.Length)].CopyTo(_allowed);
        return _allowed;
    }

    private void AddBranches(Sequence sequence, int draw, Dictionary<Context, int> logitRows)
    {
        foreach (var context in sequence.Contexts)
        {
            _branches.Add(new GuideBranch
            {
                LogitsRow = logitRows[context] + draw,
                Weight = context.Branch.Weight,
                ExemptEos = context.Branch.ExemptEos ? 1 : 0,
                GroupSize = context.Branch.GroupSize,
            });
        }
    }

    private GuideRow Row(Sequence sequence, int draw)
    {
        var sampling = sequence.Sampling;
        var plan = sequence.Plan;
        int biasStart = _biases.Count, step = sequence.Generated.Count + draw;
        _biases.AddRange(sequence.Biases);
        if (step < sampling.MinTokens)
            _biases.AddRange(sequence.Bans);

        return new GuideRow
        {
            BranchStart = _branches.Count,
            BranchCount = plan.Branches.Count,
            Reference = plan.Reference,
            VocabSize = plan.VocabSize,
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
            Restricted = sequence.Grammar is null ? 0 : 1,
            Alternatives = sampling.LogProbs ?? 0,
        };
    }
}
