using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>Takes the anchors ^ and $ out of an expression. Both stand for the ends of the text, whatever their name.</summary>
internal static class RegexAnchors
{
    private const int MaxBranches = 256;

    private static readonly SequenceNode Nothing = new([]);

    /// <summary>One way to match, without anchors.</summary>
    /// <param name="Node">What is matched.</param>
    /// <param name="AtStart">It begins where the text begins.</param>
    /// <param name="AtEnd">It ends where the text ends.</param>
    internal readonly record struct Branch(RegexNode Node, bool AtStart, bool AtEnd);

    /// <summary>The ways to match an expression.</summary>
    /// <exception cref="FormatException">An anchor is repeated, or there are too many ways.</exception>
    public static IReadOnlyList<Branch> Resolve(RegexNode node)
    {
        if (!HasAnchor(node))
            return [new Branch(node, false, false)];
        List<Branch> branches = node switch
        {
            AnchorNode { Anchor: Anchor.TextStart or Anchor.LineStart } => [new Branch(Nothing, true, false)],
            AnchorNode => [new Branch(Nothing, false, true)],
            SequenceNode(var items) => InSequence(items),
            AlternativesNode(var items) => [.. items.SelectMany(Resolve)],
            RepeatNode(var item, 1, 1, _) => [.. Resolve(item)],
            RepeatNode(var item, 0, 1, not RepeatKind.Possessive) => [new Branch(Nothing, false, false), .. Resolve(item)],
            _ => throw new FormatException("has '^' or '$' within what is repeated, which a grammar cannot follow. Write the pattern without it."),
        };
        Check(branches.Count);
        return branches;
    }

    private static List<Branch> InSequence(IReadOnlyList<RegexNode> items)
    {
        var branches = new List<Partial> { new(null, true, false, false) };
        foreach (var item in items)
        {
            var joined = new List<Partial>();
            foreach (var right in Resolve(item))
            {
                var nullable = IsNullable(right.Node);
                foreach (var left in branches)
                {
                    // Before a start, and after an end, only nothing can have been matched.
                    if ((right.AtStart && !left.IsNullable) || (left.AtEnd && !nullable))
                        continue;
                    var before = right.AtStart ? null : left.Items;
                    joined.Add(new Partial(
                        left.AtEnd ? before : new Chain(right.Node, before),
                        nullable && left.IsNullable,
                        left.AtStart || right.AtStart,
                        left.AtEnd || right.AtEnd));
                }
            }

            branches = joined;
            Check(branches.Count);
        }

        return [.. branches.Select(branch => new Branch(Chain.ToSequence(branch.Items), branch.AtStart, branch.AtEnd))];
    }

    private static void Check(int branches)
    {
        if (branches > MaxBranches)
            throw new FormatException($"has '^' or '$' in more than {MaxBranches} places. Write the pattern with fewer of them.");
    }

    /// <summary>Whether ^ or $ is in it; word boundaries and look-around are left to be refused.</summary>
    private static bool HasAnchor(RegexNode node) => node switch
    {
        AnchorNode { Anchor: not (Anchor.WordBoundary or Anchor.NoWordBoundary) } => true,
        SequenceNode(var items) => items.Any(HasAnchor),
        AlternativesNode(var items) => items.Any(HasAnchor),
        RepeatNode(var item, _, _, _) => HasAnchor(item),
        _ => false,
    };

    private static bool IsNullable(RegexNode node) => node switch
    {
        SequenceNode(var items) => items.All(IsNullable),
        AlternativesNode(var items) => items.Any(IsNullable),
        RepeatNode(var item, var min, _, _) => min == 0 || IsNullable(item),
        _ => false,
    };

    /// <summary>The first items of a sequence in one way to match them.</summary>
    private readonly record struct Partial(Chain? Items, bool IsNullable, bool AtStart, bool AtEnd);

    /// <summary>Items, last one first.</summary>
    private sealed record Chain(RegexNode Item, Chain? Before)
    {
        public static SequenceNode ToSequence(Chain? last)
        {
            var items = new List<RegexNode>();
            for (; last is not null; last = last.Before)
                items.Add(last.Item);
            items.Reverse();
            return new SequenceNode(items);
        }
    }
}
