using CsCheck;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

public sealed class BpeMergerTests
{
    /// <summary>Pairs of ids to a rank; some ranks are shared, as equal scores are. A merged pair has an id of its own.</summary>
    private readonly struct Pairs(Dictionary<(int, int), (int Rank, int Id)> merges) : IMergeRule
    {
        public bool TryMerge(in Symbol left, in Symbol right, out int rank, out int id)
        {
            var found = merges.TryGetValue((left.Id, right.Id), out var merge);
            (rank, id) = merge;
            return found;
        }
    }

    /// <summary>Held against the definition: merge the leftmost pair of lowest rank until none is left. Short words and long ones go different ways.</summary>
    [Fact]
    public void Pairs_are_merged_in_the_order_of_the_definition()
    {
        var genMerges = Gen.Select(Gen.Int[0, 7], Gen.Int[0, 7], Gen.Int[0, 9]).Array[0, 30];
        Gen.Select(genMerges, Gen.Int[0, 3].Array[0, 150]).Sample(
            (pairs, word) =>
            {
                var merges = new Dictionary<(int, int), (int Rank, int Id)>();
                foreach (var (left, right, rank) in pairs)
                    merges.TryAdd((left, right), (rank, 4 + (merges.Count % 4)));

                var symbols = word.Select((id, at) => new Symbol(at, 1, id)).ToArray();
                var count = BpeMerger.Merge(symbols.AsSpan(), new Pairs(merges));

                Assert.Equal(Plain(word, merges), symbols.Take(count).Select(symbol => (symbol.Id, symbol.Length)));
                Assert.Equal(word.Length, symbols.Take(count).Sum(symbol => symbol.Length));
            },
            iter: 2000);
    }

    private static List<(int Id, int Length)> Plain(int[] word, Dictionary<(int, int), (int Rank, int Id)> merges)
    {
        var symbols = word.Select(id => (Id: id, Length: 1)).ToList();
        while (true)
        {
            var best = -1;
            for (var i = 0; i + 1 < symbols.Count; i++)
            {
                if (merges.TryGetValue((symbols[i].Id, symbols[i + 1].Id), out var merge)
                    && (best < 0 || merge.Rank < merges[(symbols[best].Id, symbols[best + 1].Id)].Rank))
                    best = i;
            }

            if (best < 0)
                return symbols;
            symbols[best] = (merges[(symbols[best].Id, symbols[best + 1].Id)].Id, symbols[best].Length + symbols[best + 1].Length);
            symbols.RemoveAt(best + 1);
        }
    }
}
