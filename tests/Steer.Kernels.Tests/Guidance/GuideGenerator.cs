namespace Steer.Kernels.Tests.Guidance;

/// <summary>
/// Random cases: every parameter of a row, with the values at which it does nothing, and rows of logits with ties and minus infinities.
/// </summary>
internal static class GuideGenerator
{
    /// <summary>The case of a seed.</summary>
    public static GuideCase Make(int seed)
    {
        var random = new Random(seed);
        int vocabSize = Pick(1, 2, 7, 33, 200, 1500, 5000);
        int branches = Pick(1, 1, 2, 3, 5);
        float[][] logits = [.. Enumerable.Range(0, branches).Select(_ => Logits())];
        if (random.Next(3) == 0)
            Repeat();
        GuideBranch[] kinds = Kinds();
        int[] eosIds = [.. Enumerable.Range(0, Pick(0, 1, 2)).Select(_ => random.Next(vocabSize)).Distinct()];
        int[]? counts = random.Next(2) == 0 ? null : Counts();
        bool greedy = random.Next(6) == 0;
        bool[]? allowed = random.Next(4) == 0 ? Allowed(Pick(0, 0.1, 0.5, 0.99)) : null;
        return new GuideCase
        {
            Logits = logits,
            Branches = kinds,
            EosIds = eosIds,
            Counts = counts,
            Allowed = allowed,
            Biases = [.. Enumerable.Range(0, Pick(0, 0, 3, 20)).Select(_ => Bias())],
            Row = new GuideRow
            {
                Reference = random.Next(branches),
                Alpha = Pick(0, 0, 0.01f, 0.1f, 0.9f),
                NucleusMass = Pick(0, 0, 0, 0.5f, 0.9f),
                Floor = Pick(-1e4f, -1e4f, -50, -8),
                RepetitionPenalty = Pick(1, 1.2f, 0.8f),
                FrequencyPenalty = Pick(0, 0.5f, -0.3f),
                PresencePenalty = Pick(0, 0.7f, -0.2f),
                Temperature = greedy ? 0 : Pick(1, 1, 0.5f, 0.8f, 1.7f),
                TopK = Pick(0, 0, 1, 5, 40, 100_000),
                TopP = Pick(1, 1, 0.3f, 0.9f, 0.999f),
                MinP = Pick(0, 0, 0.02f, 0.5f),
                TypicalP = Pick(1, 1, 0.3f, 0.9f),
                EpsilonCutoff = Pick(0, 0, 0.001f, 0.1f),
                EtaCutoff = Pick(0, 0, 0.002f, 0.1f),
                TopNSigma = Pick(0, 0, 1, 2.5f),
                Seed = (ulong)random.NextInt64(),
                Step = random.Next(1000),
                ForcedToken = random.Next(6) == 0 ? random.Next(vocabSize) : -1,
                Alternatives = Pick(0, 1, 5, 30),
                TargetEntropy = Pick(0, 0, 0, 0, GuideRow.ReferenceEntropy, 0.4f, 2),
            },
        };

        T Pick<T>(params T[] choices) => choices[random.Next(choices.Length)];

        float[] Logits()
        {
            double spread = Pick(0.3, 2, 4, 8);
            float offset = Pick(0f, 0, 30, -20);
            var z = new float[vocabSize];
            for (int x = 0; x < vocabSize; x++)
            {
                double normal = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
                z[x] = (float)(spread * normal) + offset;
                if (random.Next(40) == 0)
                    z[x] = Pick(float.NegativeInfinity, offset - 3000);
            }

            z[random.Next(vocabSize)] = offset + Pick(1, 3, 6);
            return z;
        }

        // Some tokens get the logits of another one in every branch: they are tied in all that follows.
        void Repeat()
        {
            for (int i = 0; i < vocabSize / 4; i++)
            {
                int from = random.Next(vocabSize), to = random.Next(vocabSize);
                foreach (float[] z in logits)
                    z[to] = z[from];
            }
        }

        GuideBranch[] Kinds()
        {
            var made = new GuideBranch[branches];
            for (int j = 0; j < branches;)
            {
                int size = Math.Min(Pick(1, 1, 1, 3), branches - j);
                float weight = j == 0 ? Pick(1, 1.2f, 1.5f) : Pick(-0.2f, -0.5f, 0.3f);
                for (int member = 0; member < size; member++, j++)
                    made[j] = new GuideBranch { Weight = weight, GroupSize = member == 0 ? size : 0, ExemptEos = Pick(0, 1) };
            }

            return made;
        }

        int[] Counts()
        {
            var made = new int[vocabSize];
            for (int i = 0; i < vocabSize / 3; i++)
                made[random.Next(vocabSize)] = Pick(1, 2, GuideBatch.PromptFlag, GuideBatch.PromptFlag + 1);
            return made;
        }

        bool[] Allowed(double share) => [.. Enumerable.Range(0, vocabSize).Select(_ => random.NextDouble() < share)];

        TokenBias Bias() => new() { Token = random.Next(vocabSize), Bias = Pick(float.NegativeInfinity, 2, -1.5f, 5) };
    }
}
