using System.Collections.Immutable;

namespace Steer.Runtime.Grammars;

/// <summary>JSON arrays of which a schema says something.</summary>
internal sealed class ArrayTerms(ByteTerms terms, JsonTexts json, Func<ImmutableList<SchemaNode>, int> compile)
{
    private const int MaxPrefix = 1000;

    /// <summary>The arrays that fit all that is said.</summary>
    /// <exception cref="FormatException">An item's schema cannot be followed.</exception>
    public int Term(SchemaPart part)
    {
        var (min, max) = part.ItemCount;
        if (min > max)
            return ByteTerms.Nothing;
        var front = part.Arrays.Select(shape => shape.Prefix.Count).DefaultIfEmpty(0).Max();
        if (front > MaxPrefix)
            throw new FormatException($"has {front} schemas for the items at the front; at most {MaxPrefix} are supported");

        // From the last item to the first: an item that need not be there may be missing only with all that follow it.
        var rest = front > max
            ? ByteTerms.Empty
            : json.List(compile(Item(part, front)), Math.Max(min - front, 0), max == ByteTerms.Unlimited ? max : max - front, isFirst: front == 0);
        for (var i = Math.Min(front, max) - 1; i >= 0; i--)
        {
            var item = terms.Concat(i == 0 ? ByteTerms.Empty : json.Comma, compile(Item(part, i)), rest);
            rest = i < min ? item : terms.Optional(item);
        }

        return terms.Concat(terms.Literal("["), rest, terms.Literal("]"));
    }

    private static ImmutableList<SchemaNode> Item(SchemaPart part, int index) =>
        [.. part.Arrays.Select(shape => index < shape.Prefix.Count ? shape.Prefix[index] : shape.Items).OfType<SchemaNode>()];
}
