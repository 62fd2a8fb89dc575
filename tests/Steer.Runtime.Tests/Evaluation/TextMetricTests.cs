using System.Text.Json;
using CsCheck;
using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Tests.Evaluation;

/// <summary>Text metrics against nltk (goldens/metrics/text.json) and against their definitions written out.</summary>
public sealed class TextMetricTests
{
    private static readonly JsonElement Golden = JsonDocument.Parse(File.ReadAllBytes(GoldenFiles.Find("metrics/text.json"))).RootElement;
    private static readonly int[][] Synthetic = new WordSequences().Add(Texts("synthetic"));
    private static readonly Gen<int[][]> RandomTexts = Gen.Int[0, 4].Array[0, 9].Array[2, 12];

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Self_bleu_equals_nltk(int order)
    {
        var golden = Golden.GetProperty("self_bleu").GetProperty(order.ToString(System.Globalization.CultureInfo.InvariantCulture));
        double[] scores = SelfBleu.PerText(Synthetic, 5)[order - 1];
        Equal([.. golden.GetProperty("per_text").EnumerateArray().Select(v => v.GetDouble())], scores);
        Equal([golden.GetProperty("mean").GetDouble()], [scores.Average()]);
    }

    [Theory]
    [InlineData(true, "joined")]
    [InlineData(false, "within")]
    public void Unique_ngrams_equal_counts_of_the_golden(bool joined, string name)
    {
        var counts = UniqueNGrams.Count(Synthetic, 4, joined);
        for (int n = 1; n <= 4; n++)
        {
            var golden = Golden.GetProperty("unique_total").GetProperty($"{n}-{name}");
            Assert.Equal((golden[0].GetInt32(), golden[1].GetInt32()), (counts[n - 1].Unique, counts[n - 1].Total));
        }
    }

    [Fact]
    public void Diversity_equals_the_golden() =>
        Equal([Golden.GetProperty("diversity_joined").GetDouble()], [UniqueNGrams.Diversity(Synthetic)]);

    [Fact]
    public void Linear_self_bleu_is_the_quadratic_definition() => RandomTexts.Sample(texts =>
    {
        double[][] scores = SelfBleu.PerText(texts, 4);
        for (int n = 1; n <= 4; n++)
        {
            for (int t = 0; t < texts.Length; t++)
                Assert.Equal(SelfBleuReference.Of(texts, t, n), scores[n - 1][t], 1e-12);
        }
    });

    [Fact]
    public void Longest_run_is_the_one_found_by_trying_all() => RandomTexts.Sample(texts =>
    {
        int[][] real = texts[..(texts.Length / 2)], synthetic = texts[(texts.Length / 2)..];
        var copies = CopiedText.Find(synthetic, real);
        for (int i = 0; i < synthetic.Length; i++)
        {
            int[][] before = [.. real, .. synthetic[..i]];
            Assert.Equal(before.Max(b => LongestCommonRun(synthetic[i], b)), copies[i].LongestRun);
            Assert.Equal(before.Any(b => b.SequenceEqual(synthetic[i])), copies[i].Exact);
        }
    });

    [Fact]
    public void Words_are_lower_case_runs_and_single_signs()
    {
        var words = new WordSequences();
        Assert.Equal(
            ["don", "'", "t", "stop", "_at", "42", "!", "!", "é", "😀", "naïve", "½"],
            words.Add("Don't stop _at 42!!  É 😀\nNaïve\t½").Select(words.Word));
        Assert.Empty(words.Add(" \n\u00a0"));
    }

    [Fact]
    public void Cut_leaves_the_words_of_a_budget()
    {
        Assert.Equal([[1, 2], [3]], UniqueNGrams.Cut([[1, 2], [3, 4], [5]], 3));
        Assert.Equal([[1, 2], [3, 4], [5]], UniqueNGrams.Cut([[1, 2], [3, 4], [5]], 9));
    }

    [Fact]
    public void Length_distance_is_the_largest_gap_of_the_shares()
    {
        // Shares up to 1, 2, 3 words: 1/2, 1/2, 1 against 0, 1, 1.
        Assert.Equal(0.5, LengthDistribution.Distance([new int[1], new int[3]], [new int[2], new int[2]]));
        Assert.Equal(0, LengthDistribution.Distance(Synthetic, Synthetic));
        Assert.Equal(1, LengthDistribution.Distance([new int[1]], [new int[2]]));
        var lengths = LengthDistribution.Of([new int[1], new int[2], new int[6]]);
        Assert.Equal((3, Math.Sqrt(7), 2), (lengths.Mean, lengths.StandardDeviation, lengths.Quantiles[2]));
    }

    private static int LongestCommonRun(int[] a, int[] b)
    {
        int longest = 0;
        for (int i = 0; i < a.Length; i++)
        {
            for (int j = 0; j < b.Length; j++)
                longest = Math.Max(longest, a.AsSpan(i).CommonPrefixLength(b.AsSpan(j)));
        }

        return longest;
    }

    internal static IEnumerable<string> Texts(string name) => Golden.GetProperty(name).EnumerateArray().Select(t => t.GetString()!);

    private static void Equal(IReadOnlyList<double> golden, IReadOnlyList<double> values)
    {
        Assert.Equal(golden.Count, values.Count);
        for (int i = 0; i < golden.Count; i++)
            Assert.Equal(golden[i], values[i], 1e-12);
    }
}
