using System.Text.Json;

namespace Steer.Kernels.Tests.Guidance;

/// <summary>
/// GuideAndSample against stored outputs: guided scores computed in float64 from the definition (guidance_one_step.json), and what the
/// logits processors of transformers leave of a distribution (sampling_filters.json).
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class GuideGoldenTests(DeviceSet devices)
{
    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    [Theory]
    [OnEveryDevice]
    public void Guided_scores_mask_and_best_token_are_those_of_the_definition(string device)
    {
        foreach (OneStep golden in Read<OneStep>("guidance_one_step.json", 16))
        {
            // Branches of weight 0 are left out, as the engine does.
            int[] branches = [.. Enumerable.Range(0, golden.Weights.Length).Where(j => golden.Weights[j] != 0)];
            var step = new GuideCase
            {
                Logits = [.. branches.Select(j => golden.Logits[j].Select(v => (float)(v ?? double.NegativeInfinity)).ToArray())],
                Branches =
                [
                    .. branches.Select(j => new GuideBranch
                    {
                        Weight = golden.Weights[j], GroupSize = 1, ExemptEos = golden.NegativeBranches.Contains(j) ? 1 : 0,
                    }),
                ],
                EosIds = golden.Eos is { } eos ? [eos] : [],
                Row = GuideCase.Neutral with
                {
                    Reference = Array.IndexOf(branches, golden.Reference), Alpha = golden.Alpha, Floor = golden.Floor, Temperature = 0,
                    Alternatives = golden.Scores.Length,
                },
            };
            GuideOutcome outcome = GuideRunner.Run(devices[device], step)[0];
            Assert.Equal((0, golden.Kept, golden.Argmax), (outcome.Result.Invalid, outcome.Result.MaskSize, outcome.Result.Token));

            // Alternatives are the guided log-probabilities of all of V.
            double[] standing = [.. golden.Scores.OfType<double>()];
            double max = standing.Max(), logMass = max + Math.Log(standing.Sum(s => Math.Exp(s - max)));
            Assert.Equal(golden.Kept, outcome.Alternatives.Count(a => a.Token >= 0));
            foreach (TokenLogProb token in outcome.Alternatives.Take(golden.Kept))
            {
                double expected = golden.Scores[token.Token]!.Value - logMass;
                // Two or three weighted branches, each a few roundings of numbers near |expected|, and 1e-6 for the sums of exponentials.
                Assert.InRange(token.LogProb - expected, -2e-6 - (1e-6 * Math.Abs(expected)), 2e-6 + (1e-6 * Math.Abs(expected)));
            }
        }
    }

    [Theory]
    [OnEveryDevice]
    public void Truncations_keep_what_transformers_keeps(string device)
    {
        foreach (Filter golden in Read<Filter>("sampling_filters.json", 44))
        {
            GuideCase plain = GuideCase.Plain(golden.Logits);
            int[] counts = new int[golden.Logits.Length];
            foreach (int token in golden.Previous)
                counts[token] = GuideBatch.PromptFlag;
            GuideCase filtered = (plain with { Counts = counts }).With((ref GuideRow row) => Parameters(golden.Name, ref row));
            GuideReference reference = new(filtered);
            double[] actual = GuideRunner.Distribution(devices[device], filtered);

            int[] kept = [.. Enumerable.Range(0, actual.Length).Where(x => actual[x] > 0)];
            string what = $"{golden.Name}, spread {golden.Spread}, ties {golden.Ties}";
            // Where tokens are tied at the edge, which of them stay is a matter of sorting: they have the same logit.
            Assert.True(
                golden.Kept.Select(x => golden.Logits[x]).Order().SequenceEqual(kept.Select(x => golden.Logits[x]).Order()),
                $"{what}: kept {string.Join(' ', kept)}, not {string.Join(' ', golden.Kept)}");
            if (!golden.Ties)
                Assert.Equal(golden.Kept, kept);
            double[] expected = [.. golden.Probabilities.Order()], probabilities = [.. kept.Select(x => actual[x]).Order()];
            for (int i = 0; i < expected.Length; i++)
            {
                // transformers works in float32 as well: a few roundings of logits up to 30 on either side, 30 * 2^-24 each.
                Assert.True(
                    Math.Abs(probabilities[i] - expected[i]) <= 8e-6 * expected[i] + 1e-9, $"{what}: {probabilities[i]} is not {expected[i]}");
            }

            Assert.Equal(golden.Kept.Length, reference.Kept.Length);
        }
    }

    // The parameters that the file's `source` states.
    private static void Parameters(string name, ref GuideRow row)
    {
        switch (name)
        {
            case "temperature": row.Temperature = 0.7f; break;
            case "top_k": row.TopK = 10; break;
            case "top_k_1": row.TopK = 1; break;
            case "top_p": row.TopP = 0.9f; break;
            case "top_p_small": row.TopP = 0.05f; break;
            case "min_p": row.MinP = 0.1f; break;
            case "typical": row.TypicalP = 0.8f; break;
            case "epsilon": row.EpsilonCutoff = 0.01f; break;
            case "eta": row.EtaCutoff = 0.01f; break;
            case "repetition": row.RepetitionPenalty = 1.3f; break;
            case "all":
                row.RepetitionPenalty = 1.2f;
                row.Temperature = 0.8f;
                row.TopK = 40;
                row.TopP = 0.95f;
                row.MinP = 0.02f;
                break;
            default: throw new InvalidDataException($"The golden file has an unknown filter, {name}.");
        }
    }

    private static T[] Read<T>(string file, int count)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "goldens", file);
        T[] cases = JsonSerializer.Deserialize<GoldenFile<T>>(File.ReadAllText(path), SnakeCase)!.Cases;
        Assert.Equal(count, cases.Length);
        return cases;
    }

    private sealed record GoldenFile<T>(string Source, T[] Cases);

    private sealed record OneStep(
        string Name, double?[][] Logits, float[] Weights, int Reference, float Alpha, float Floor, int? Eos, int[] NegativeBranches,
        double?[] Scores, int Kept, int Argmax);

    private sealed record Filter(string Name, int Spread, bool Ties, int[] Previous, float[] Logits, int[] Kept, double[] Probabilities);
}
