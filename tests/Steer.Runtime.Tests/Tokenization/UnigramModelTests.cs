using CsCheck;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

public sealed class UnigramModelTests
{
    private static readonly Gen<(string[] Pieces, double[] Scores)> Vocabularies = Gen.Select(
        Gen.String[Gen.Char['a', 'd'], 1, 4].Array[1, 12],
        Gen.Double[-10, -0.5].Array[12],
        (pieces, scores) => (pieces.Distinct().ToArray(), scores));

    /// <summary>Held against every way to cut the word: the best sum of scores, an unknown character costing ten below the lowest score.</summary>
    [Fact]
    public void The_best_of_all_ways_to_cut_is_found()
    {
        Gen.Select(Vocabularies, Gen.String[Gen.Char['a', 'e'], 0, 9]).Sample(
            (vocabulary, word) =>
            {
                var (pieces, scores) = vocabulary;
                var unknown = scores.Take(pieces.Length).Min() - UnigramModel.UnknownPenalty;
                var model = new UnigramModel(
                    Vocabulary.Create("test", [.. pieces.Select((piece, id) => KeyValuePair.Create(piece, id + 1))]),
                    pieces.Select((piece, id) => new UnigramPiece(piece, scores[id], id + 1)),
                    unknownId: 0,
                    unknown,
                    byteFallback: false,
                    singlePrecision: false);
                var ids = new List<int>();
                model.Encode(word, ids);

                // Unknown neighbours are one token; what each costs is told by the characters that known tokens leave.
                var known = ids.Where(id => id > 0).ToList();
                var unknownCharacters = word.Length - known.Sum(id => pieces[id - 1].Length);
                var sum = known.Sum(id => scores[id - 1]) + (unknownCharacters * unknown);
                Assert.Equal(Best(word, pieces, scores, unknown), sum, 9); // sums of some ten scores, added in another order
            },
            iter: 500);
    }

    /// <summary>Sums of scores that leave the range of numbers: a text still has a way to be cut, and comes to an end.</summary>
    [Theory]
    [InlineData(-1e308, false)]
    [InlineData(-3e38, true)]
    public void Scores_may_be_as_low_as_numbers_go(double score, bool singlePrecision)
    {
        var model = new UnigramModel(
            Vocabulary.Create("test", [KeyValuePair.Create("a", 1)]), [new UnigramPiece("a", score, 1)], unknownId: 0, score, byteFallback: false, singlePrecision);
        var ids = new List<int>();
        model.Encode("aaaaaxa", ids);
        Assert.Equal([1, 1, 1, 1, 1, 0, 1], ids);
    }

    private static double Best(string word, string[] pieces, double[] scores, double unknown)
    {
        if (word.Length == 0)
            return 0;
        var best = double.NegativeInfinity;
        for (var i = 0; i < pieces.Length; i++)
        {
            if (word.StartsWith(pieces[i], StringComparison.Ordinal))
                best = Math.Max(best, scores[i] + Best(word[pieces[i].Length..], pieces, scores, unknown));
        }

        return pieces.Contains(word[..1]) ? best : Math.Max(best, unknown + Best(word[1..], pieces, scores, unknown));
    }

    /// <summary>Held against sums by hand: -5.5 for one token is better than -3 -3 for two.</summary>
    [Fact]
    public void Tokenizer_json_reads_unigram_models()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("tokenizer.json", """
            {"added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
             "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
             "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
                       "vocab": [["<unk>", 0], ["▁", -3.0], ["a", -2.0], ["b", -2.5], ["ab", -3.0], ["▁ab", -5.5], ["▁a", -9.0]]}}
            """);
        var tokenizer = Tokenizer.Load(file);
        Assert.Equal([5, 5, 4, 1, 3, 0, 2], tokenizer.Encode("ab abab b日本a", addSpecialTokens: false));
        Assert.Equal("ab abab b<unk>a", tokenizer.Decode(tokenizer.Encode("ab abab b日本a", addSpecialTokens: false), skipSpecialTokens: false));
    }
}
