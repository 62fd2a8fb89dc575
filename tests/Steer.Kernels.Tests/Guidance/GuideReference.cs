namespace Steer.Kernels.Tests.Guidance;

/// <summary>
/// One guided step in float64, written out as the contract says it, token by token and with full sorts. A token that does not stand has
/// score minus infinity and probability 0.
/// </summary>
internal sealed class GuideReference
{
    private readonly GuideCase _case;
    private readonly GuideRow _row;
    private readonly int _vocabSize;
    private readonly double[][] _logProbs;

    public GuideReference(GuideCase input)
    {
        _case = input;
        _row = input.Row;
        _vocabSize = input.VocabSize;
        _logProbs = [.. input.Logits.Select(z => LogSoftmax([.. z.Select(v => (double)v)]))];
        Scores = Enumerable.Repeat(double.NegativeInfinity, _vocabSize).ToArray();
        bool[] allowed = [.. Enumerable.Range(0, _vocabSize).Select(IsAllowed)];
        Invalid = input.Logits.Any(z => z.Any(v => float.IsNaN(v) || v == float.PositiveInfinity) || z.All(float.IsNegativeInfinity))
            || !allowed.Contains(true);
        if (Invalid)
            return;

        Mask = MakeMask(allowed);
        foreach (int x in Mask)
            Scores[x] = Score(x);
        LogProbs = LogSoftmax(Scores);
        double[] penalised = Penalised();
        Best = ArgMax(penalised);
        NoteGap(penalised, Best);
        double[] last = _row.Temperature == 0
            ? [.. penalised.Select((s, x) => x == Best ? 0 : double.NegativeInfinity)]
            : Truncated(Tempered(penalised));
        Kept = Standing(last);
        Distribution = Softmax(last);
    }

    /// <summary>No distribution exists; all else is then unset.</summary>
    public bool Invalid { get; }

    /// <summary>V, ascending.</summary>
    public int[] Mask { get; } = [];

    /// <summary>s [vocab].</summary>
    public double[] Scores { get; }

    /// <summary>log_softmax(s) over V [vocab].</summary>
    public double[] LogProbs { get; } = [];

    /// <summary>The best token after bias and penalties.</summary>
    public int Best { get; }

    /// <summary>The tokens that are drawn from, ascending.</summary>
    public int[] Kept { get; } = [];

    /// <summary>The distribution that is drawn from [vocab].</summary>
    public double[] Distribution { get; } = [];

    /// <summary>
    /// How far the nearest decision (is a token in or out) is from falling the other way, in units of scores or of mass. Decisions
    /// between tokens that are equal in all that they are made of do not count: they fall by rule. Others that happen to be equal in
    /// float64 (a sum of weights of 0 makes every score 0) need not be so in float32.
    /// </summary>
    public double Margin { get; private set; } = double.PositiveInfinity;

    /// <summary>What the scores were divided by; 0 when greedy.</summary>
    public double Temperature { get; private set; }

    /// <summary>
    /// How far an error of 1 in the entropy moves a score that was divided by a temperature that was solved for; 0 where it was given. Infinite
    /// where no temperature gives the entropy.
    /// </summary>
    public double TemperatureError { get; private set; }

    /// <summary>Entropy in nats of <see cref="Distribution"/>.</summary>
    public double Entropy => EntropyOf(Distribution);

    /// <summary>The raw log-probability of a token in branch j.</summary>
    public double BranchLogProb(int j, int token) => _logProbs[j][token];

    /// <summary>First token whose cumulative probability is above u, and how near u is to either end of its interval.</summary>
    public (int Token, double Margin) Draw(double u)
    {
        double reached = 0;
        for (int x = 0; x < _vocabSize; x++)
        {
            double before = reached;
            reached += Distribution[x];
            if (reached > u)
                return (x, Math.Min(u - before, reached - u));
        }

        return (Array.FindLastIndex(Distribution, p => p > 0), 0);
    }

    /// <summary>The best tokens of V, descending, lower ids first where equal.</summary>
    public int[] Alternatives(int count) => [.. Mask.OrderByDescending(x => Scores[x]).ThenBy(x => x).Take(count)];

    /// <summary>
    /// A bound on what float32 may make of a score: five roundings for each branch, of numbers that are at most |w_j| times the larger of |l_j|
    /// and the distance to the branch's best logit; and of the penalties' logits.
    /// </summary>
    public double ScoreError()
    {
        double largest = 0;
        foreach (int x in Mask)
        {
            double size = Math.Abs(Scores[x]);
            for (int j = 0; j < _case.Branches.Length; j++)
                size += Math.Abs(_case.Branches[j].Weight) * (Math.Abs(Math.Max(_logProbs[j][x], _row.Floor)) + Math.Log(_vocabSize));
            largest = Math.Max(largest, size);
        }

        return 5 * largest / (1 << 24);
    }

    private bool IsAllowed(int x) =>
        _case.Allowed?[x] != false && _logProbs[_row.Reference][x] > double.NegativeInfinity
        && !_case.Biases.Any(b => b.Token == x && float.IsNegativeInfinity(b.Bias));

    private int[] MakeMask(bool[] allowed)
    {
        double[] l = [.. _logProbs[_row.Reference].Select((v, x) => allowed[x] ? v : double.NegativeInfinity)];
        if (_row.NucleusMass > 0)
            return Standing(TopP(l, _row.NucleusMass));
        double threshold = l.Max() + Math.Log(_row.Alpha);
        NoteThreshold(l, threshold);
        return Standing(KeepFrom(l, l, threshold));
    }

    private double Score(int x)
    {
        double s = 0;
        for (int j = 0; j < _case.Branches.Length; j += Math.Max(_case.Branches[j].GroupSize, 1))
            s += _case.Branches[j].Weight * GroupLogProb(j, x);
        return s;
    }

    private double GroupLogProb(int j, int x)
    {
        int size = _case.Branches[j].GroupSize;
        double l = LogProb(j, x);
        if (size > 1)
            l = LogSumExp([.. Enumerable.Range(j, size).Select(member => LogProb(member, x))]) - Math.Log(size);
        return Math.Max(l, _row.Floor);
    }

    private double LogProb(int j, int x) =>
        _logProbs[_case.Branches[j].ExemptEos != 0 && _case.EosIds.Contains(x) ? _row.Reference : j][x];

    private double[] Penalised()
    {
        double[] s = [.. Scores];
        foreach (TokenBias bias in _case.Biases)
            s[bias.Token] += bias.Bias;
        if (_case.Counts is null)
            return s;
        double toLogit = LogSumExp([.. _case.Logits[_row.Reference].Select(v => (double)v)]);
        foreach (int x in Mask)
        {
            int generated = _case.Counts[x] & ~GuideBatch.PromptFlag;
            if (_case.Counts[x] != 0)
            {
                double logit = s[x] + toLogit;
                s[x] = (logit > 0 ? logit / _row.RepetitionPenalty : logit * _row.RepetitionPenalty) - toLogit;
            }

            s[x] -= (generated * (double)_row.FrequencyPenalty) + (generated > 0 ? _row.PresencePenalty : 0);
        }

        return s;
    }

    // Scores over the temperature; the temperature of a target entropy by halving, as the entropy grows with it.
    private double[] Tempered(double[] s)
    {
        Temperature = _row.Temperature;
        if (_row.TargetEntropy == 0)
            return [.. s.Select(v => v / Temperature)];
        double best = s.Max(), target = _row.TargetEntropy;
        double[] relative = [.. s.Select(v => v - best)];
        if (target < 0)
            target = EntropyOf(Softmax([.. _logProbs[_row.Reference].Select((v, x) => Mask.Contains(x) ? v : double.NegativeInfinity)]));
        double low = 1e-6, high = 1e6;
        for (int i = 0; i < 200; i++)
        {
            Temperature = Math.Sqrt(low * high);
            if (EntropyOf(Softmax([.. relative.Select(v => v / Temperature)])) < target)
                low = Temperature;
            else
                high = Temperature;
        }

        double[] tempered = [.. relative.Select(v => v / Temperature)], probabilities = Softmax(tempered);
        int[] standing = Standing(tempered);
        double mean = standing.Sum(x => probabilities[x] * tempered[x]);
        double variance = standing.Sum(x => probabilities[x] * (tempered[x] - mean) * (tempered[x] - mean));
        bool found = Temperature is > 1.001e-6 and < 0.999e6;
        TemperatureError = found ? Math.Max(1, -tempered.Where(double.IsFinite).Min()) / variance : double.PositiveInfinity;
        return tempered;
    }

    private double[] Truncated(double[] t)
    {
        if (_row.TopK > 0)
        {
            double[] sorted = [.. t.OrderDescending()];
            double edge = sorted[Math.Min(_row.TopK, _vocabSize) - 1];
            NoteEdge(t, Array.IndexOf(t, edge));
            t = KeepFrom(t, t, edge);
        }

        if (_row.TopP < 1)
            t = TopP(t, _row.TopP);
        if (_row.MinP > 0)
            t = KeepProbable(t, t.Max() + Math.Log(_row.MinP));
        if (_row.TypicalP < 1)
            t = Typical(t);
        if (_row.EpsilonCutoff > 0)
            t = KeepProbable(t, LogSumExp(t) + Math.Log(_row.EpsilonCutoff));
        if (_row.EtaCutoff > 0)
        {
            double cutoff = Math.Min(_row.EtaCutoff, Math.Sqrt(_row.EtaCutoff) * Math.Exp(-EntropyOf(Softmax(t))));
            t = KeepProbable(t, LogSumExp(t) + Math.Log(cutoff));
        }

        if (_row.TopNSigma > 0)
        {
            double[] standing = [.. Standing(t).Select(x => t[x])];
            double mean = standing.Average();
            double deviation = Math.Sqrt(standing.Average(v => (v - mean) * (v - mean)));
            t = KeepProbable(t, t.Max() - (_row.TopNSigma * deviation));
        }

        return t;
    }

    // The smallest set of best tokens with mass p, lower ids first where equal.
    private double[] TopP(double[] t, double p)
    {
        double[] probabilities = Softmax(t);
        int[] order = [.. Standing(t).OrderByDescending(x => t[x]).ThenBy(x => x)];
        double[] kept = Enumerable.Repeat(double.NegativeInfinity, _vocabSize).ToArray();
        double mass = 0;
        foreach (int x in order)
        {
            Note(mass - p);
            if (mass >= p)
                break;
            mass += probabilities[x];
            kept[x] = t[x];
        }

        NoteEdge(t, order[Standing(kept).Length - 1]);
        return kept;
    }

    // As transformers' TypicalLogitsWarper: sorted by |-log p - H|, all up to the one whose cumulative mass reaches p, and its ties.
    private double[] Typical(double[] t)
    {
        double[] probabilities = Softmax(t);
        double entropy = EntropyOf(probabilities), mass = 0;
        double logMass = LogSumExp(t);
        double[] keys = [.. t.Select(v => -Math.Abs(logMass - v - entropy))];
        int edge = -1;
        foreach (int x in Standing(t).OrderByDescending(x => keys[x]))
        {
            Note(mass - _row.TypicalP);
            if (mass >= _row.TypicalP)
                break;
            mass += probabilities[x];
            edge = x;
        }

        NoteEdge(keys, edge);
        return KeepFrom(t, keys, keys[edge]);
    }

    private double[] KeepProbable(double[] t, double threshold)
    {
        NoteThreshold(t, threshold);
        // Above all of them, it is the best token that is the edge.
        if (threshold > t.Max())
            NoteEdge(t, ArgMax(t));
        return KeepFrom(t, t, Math.Min(threshold, t.Max()));
    }

    private static double[] KeepFrom(double[] t, double[] keys, double edge) =>
        [.. t.Select((v, x) => keys[x] >= edge ? v : double.NegativeInfinity)];

    // Every value is compared with the threshold.
    private void NoteThreshold(double[] values, double threshold)
    {
        foreach (double value in values.Where(double.IsFinite))
            Note(value - threshold);
    }

    // The edge is one of the tokens: those that are equal to it by what they are made of fall with it, and the others are told from it by
    // their distance.
    private void NoteEdge(double[] values, int edge)
    {
        foreach (int x in Standing(values).Where(x => values[x] != values[edge] || !MadeOfTheSame(x, edge)))
            Note(values[x] - values[edge]);
    }

    private bool MadeOfTheSame(int x, int y) =>
        _logProbs[_row.Reference][x] == _logProbs[_row.Reference][y]
        && Enumerable.Range(0, _case.Branches.Length).All(j => GroupLogProb(j, x) == GroupLogProb(j, y))
        && _case.Biases.Where(b => b.Token == x).Select(b => b.Bias).SequenceEqual(_case.Biases.Where(b => b.Token == y).Select(b => b.Bias))
        && (_case.Counts is null || _case.Counts[x] == _case.Counts[y]);

    private void NoteGap(double[] values, int best)
    {
        if (_row.Temperature == 0)
            NoteEdge(values, best);
    }

    private void Note(double distance)
    {
        if (double.IsFinite(distance))
            Margin = Math.Min(Margin, Math.Abs(distance));
    }

    private static int[] Standing(double[] t) => [.. Enumerable.Range(0, t.Length).Where(x => t[x] > double.NegativeInfinity)];

    private static int ArgMax(double[] values) => Array.IndexOf(values, values.Max());

    private static double LogSumExp(double[] values)
    {
        double max = values.Max();
        if (double.IsNegativeInfinity(max))
            return max;
        return max + Math.Log(values.Sum(v => Math.Exp(v - max)));
    }

    private static double[] LogSoftmax(double[] values)
    {
        double logMass = LogSumExp(values);
        return [.. values.Select(v => v - logMass)];
    }

    private static double[] Softmax(double[] values) => [.. LogSoftmax(values).Select(Math.Exp)];

    private static double EntropyOf(double[] probabilities) => -probabilities.Where(p => p > 0).Sum(p => p * Math.Log(p));
}
