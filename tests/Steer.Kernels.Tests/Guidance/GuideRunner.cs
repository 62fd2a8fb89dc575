using Steer.Kernels.Gpu;
using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Guidance;

/// <summary>Puts cases into one batch of a device, runs the kernel and reads what it wrote.</summary>
internal static class GuideRunner
{
    // Written where the kernel has no business; a padded vocabulary would win every draw.
    private const float Padding = 1000;

    /// <summary>Runs all cases in one launch; they share the EOS ids of the first.</summary>
    public static GuideOutcome[] Run(Device device, params GuideCase[] cases)
    {
        using GuideBatch batch = MakeBatch(device, cases);
        device.GuideAndSample(batch);
        return Read(batch, cases);
    }

    /// <summary>Runs a case for every step in [0, draws), as many at once as one launch holds well, and returns the tokens.</summary>
    public static int[] Draw(Device device, GuideCase drawn, int draws)
    {
        const int PerLaunch = 500;
        var tokens = new int[draws];
        // All sequences read the same rows of logits.
        using GuideBatch batch = MakeBatch(device, [drawn], PerLaunch);
        var rows = new GuideRow[1];
        batch.Rows.Download(rows);
        var results = new GuideResult[PerLaunch];
        batch.Sequences = PerLaunch;
        for (int start = 0; start < draws; start += PerLaunch)
        {
            batch.Rows.Upload([.. Enumerable.Range(start, PerLaunch).Select(step => rows[0] with { Step = step })]);
            device.GuideAndSample(batch);
            batch.Results.Download(results);
            for (int i = 0; i < PerLaunch && start + i < draws; i++)
                tokens[start + i] = results[i].Token;
        }

        return tokens;
    }

    /// <summary>The distribution [vocab] from which the device draws; the case must not be greedy.</summary>
    public static unsafe double[] Distribution(Device device, GuideCase one)
    {
        using GuideBatch batch = MakeBatch(device, [one]);
        device.GuideAndSample(batch);
        var scores = new float[one.VocabSize];
        switch (batch.Workspace)
        {
            case GuideAndSampleJob host:
                Array.Fill(scores, float.NegativeInfinity);
                for (int i = 0; i < host.First.Candidates.Count; i++)
                    scores[host.First.Candidates.Ids[i]] = host.First.Candidates.Scores[i];
                break;
            case GuideAndSampleWorkspace gpu:
                // Few tokens are a list of their own, as long as the mask.
                var results = new GuideResult[1];
                batch.Results.Download(results);
                int listed = results[0].MaskSize;
                var places = new float[gpu.Pitch];
                var ids = new int[gpu.Pitch];
                gpu.Scores.Download(places);
                gpu.Ids.Download(ids);
                if (listed > GuideTokens.MaxListed)
                {
                    places.AsSpan(0, scores.Length).CopyTo(scores);
                    break;
                }

                Array.Fill(scores, float.NegativeInfinity);
                for (int i = 0; i < listed; i++)
                    scores[ids[i]] = places[i];
                break;
        }

        double[] masses = [.. scores.Select(s => Math.Exp(s))];
        double mass = masses.Sum();
        // A token that stands has a probability above 0, however small.
        return [.. masses.Select((m, x) => float.IsNegativeInfinity(scores[x]) ? 0 : Math.Max(m / mass, double.Epsilon))];
    }

    /// <summary>Bytes that the second launch of a batch takes from the managed heap, on the caller's thread.</summary>
    public static long AllocatedByLaunch(Device device, GuideCase one)
    {
        using GuideBatch batch = MakeBatch(device, [one]);
        device.GuideAndSample(batch);
        long before = GC.GetAllocatedBytesForCurrentThread();
        device.GuideAndSample(batch);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static GuideBatch MakeBatch(Device device, GuideCase[] cases, int maxSequences = 0)
    {
        int vocabSize = cases.Max(c => c.VocabSize) + 3;
        int branches = cases.Sum(c => c.Branches.Length);
        var batch = new GuideBatch(
            device, Math.Max(maxSequences, cases.Length), branches, vocabSize, cases.Length, cases.Sum(c => c.Biases.Length),
            cases.Max(c => c.Row.Alternatives), cases[0].EosIds);
        var rows = new GuideRow[cases.Length];
        var allBranches = new List<GuideBranch>();
        var biases = new List<TokenBias>();
        var logits = new float[branches * vocabSize];
        Array.Fill(logits, Padding);
        for (int i = 0; i < cases.Length; i++)
        {
            GuideCase c = cases[i];
            rows[i] = c.Row with
            {
                BranchStart = allBranches.Count,
                BranchCount = c.Branches.Length,
                VocabSize = c.VocabSize,
                BiasStart = biases.Count,
                BiasCount = c.Biases.Length,
                PenaltySlot = c.Counts is null ? -1 : i,
                Restricted = c.Allowed is null ? 0 : 1,
            };
            if (c.Allowed is not null)
                batch.AllowedTokens.Upload(Bits(c.Allowed, batch.AllowedWords), (long)i * batch.AllowedWords);
            foreach (float[] z in c.Logits)
            {
                // Rows of logits lie in another order than branches.
                int row = branches - 1 - allBranches.Count;
                z.CopyTo(logits.AsSpan(row * vocabSize));
                allBranches.Add(c.Branches[allBranches.Count - rows[i].BranchStart] with { LogitsRow = row });
            }

            biases.AddRange(c.Biases);
            if (c.Counts is not null)
                batch.PenaltyCounts.Upload(c.Counts, (long)i * vocabSize);
        }

        batch.Logits.Buffer.Upload(logits);
        batch.Rows.Upload(rows);
        batch.Branches.Upload(allBranches.ToArray());
        batch.Biases.Upload(biases.ToArray());
        batch.Sequences = cases.Length;
        return batch;
    }

    private static uint[] Bits(bool[] allowed, int words)
    {
        var bits = new uint[words];
        for (int x = 0; x < allowed.Length; x++)
            bits[x / 32] |= allowed[x] ? 1u << (x % 32) : 0;
        return bits;
    }

    private static GuideOutcome[] Read(GuideBatch batch, GuideCase[] cases)
    {
        var results = new GuideResult[cases.Length];
        batch.Results.Download(results);
        var outcomes = new GuideOutcome[cases.Length];
        for (int i = 0, branch = 0; i < cases.Length; i++)
        {
            var logProbs = new float[cases[i].Branches.Length];
            batch.BranchLogProbs.Download(logProbs, branch);
            branch += logProbs.Length;
            var alternatives = new TokenLogProb[cases[i].Row.Alternatives];
            batch.Alternatives.Download(alternatives, (long)i * batch.MaxAlternatives);
            int[]? counts = cases[i].Counts is null ? null : new int[cases[i].VocabSize];
            if (counts is not null)
                batch.PenaltyCounts.Download(counts, (long)i * batch.VocabSize);
            outcomes[i] = new GuideOutcome(results[i], logProbs, alternatives, counts);
        }

        return outcomes;
    }
}
