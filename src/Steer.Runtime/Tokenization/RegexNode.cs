namespace Steer.Runtime.Tokenization;

/// <summary>A regular expression as a tree, with what it needs of Oniguruma's syntax.</summary>
internal abstract record RegexNode;

/// <summary>One character of a set.</summary>
internal sealed record SetNode(CodePointSet Set) : RegexNode;

/// <summary>One after the other; none matches the empty text.</summary>
internal sealed record SequenceNode(IReadOnlyList<RegexNode> Items) : RegexNode;

/// <summary>The first that leads to a match.</summary>
internal sealed record AlternativesNode(IReadOnlyList<RegexNode> Items) : RegexNode;

/// <summary>How often a repetition tries to go on.</summary>
internal enum RepeatKind
{
    /// <summary>As often as it can, fewer if the rest fails.</summary>
    Greedy,

    /// <summary>As seldom as it can, more if the rest fails.</summary>
    Lazy,

    /// <summary>As often as it can.</summary>
    Possessive,
}

/// <summary>A node several times; <see cref="int.MaxValue"/> is no limit.</summary>
internal sealed record RepeatNode(RegexNode Item, int Min, int Max, RepeatKind Kind) : RegexNode;

/// <summary>A node whose first match is final.</summary>
internal sealed record AtomicNode(RegexNode Item) : RegexNode;

/// <summary>A node that must, or must not, match here, or end here; takes no text.</summary>
internal sealed record LookNode(RegexNode Item, bool Behind, bool Negative) : RegexNode;

/// <summary>A place in the text.</summary>
internal enum Anchor
{
    /// <summary>\A</summary>
    TextStart,

    /// <summary>\z</summary>
    TextEnd,

    /// <summary>\Z: the end, or before a line break that ends the text.</summary>
    LastLineEnd,

    /// <summary>^: the start, or after a line break that does not end the text.</summary>
    LineStart,

    /// <summary>$: the end, or before a line break.</summary>
    LineEnd,

    /// <summary>\b: between a word character and another or none.</summary>
    WordBoundary,

    /// <summary>\B</summary>
    NoWordBoundary,
}

/// <summary>A place that must be here; takes no text.</summary>
internal sealed record AnchorNode(Anchor Anchor) : RegexNode;
