using System.Collections.Immutable;

namespace Steer.Runtime.Grammars;

/// <summary>JSON objects of which a schema says something: declared members in the order of the schema, then those of free names, if any.</summary>
internal sealed class ObjectTerms(ByteTerms terms, JsonTexts json, StringTerms strings, Func<ImmutableList<SchemaNode>, int> compile)
{
    private const int MaxNames = 5000;
    private const int MaxPatterns = 16;
    private const int MaxNameLength = 500;
    private const int MaxCounted = 200;
    private const int MaxNameStates = 1 << 14;

    /// <summary>The objects that fit all that is said.</summary>
    /// <exception cref="FormatException">Something cannot be followed.</exception>
    public int Term(SchemaPart part)
    {
        var names = part.Objects.SelectMany(shape => shape.Properties).Select(property => property.Name).Concat(part.Required).Distinct().ToList();
        if (names.Count > MaxNames)
            throw new FormatException($"declares {names.Count} members; at most {MaxNames} are supported");
        if (part.Objects.Sum(shape => shape.Patterns.Count) > MaxPatterns)
            throw new FormatException($"has more than {MaxPatterns} patterns for the names of members");
        if (names.Find(name => name.Length > MaxNameLength) is { } longName)
            throw new FormatException($"has a member's name of {longName.Length} characters; at most {MaxNameLength} are supported");
        var patterns = part.Objects
            .SelectMany(shape => shape.Patterns.Select(pattern => new NamePattern(strings.Matching(pattern.Pattern), pattern.Schema, shape)))
            .ToList();
        var allowed = part.Names.IsEmpty ? json.AnyString : compile(part.Names.Add(StringSchema));
        var texts = names.ConvertAll(name => System.Text.Encoding.UTF8.GetBytes(JsonTexts.Write(name)));
        var isAllowed = part.Names.IsEmpty ? null : Fitting(texts, allowed);
        var matches = patterns.ConvertAll(pattern => Fitting(texts, pattern.Names));
        var shapes = part.Objects.Select(shape => (Shape: shape, Properties: shape.Properties.ToDictionary(p => p.Name, p => p.Schema))).ToList();
        var required = part.Required.ToHashSet();
        var members = names.Select(Declared).ToList();
        return terms.Concat(terms.Literal("{"), Sequence(members, Free(part, names, patterns, allowed), part.MemberCount), terms.Literal("}"));

        (int Term, bool IsRequired) Declared(string name, int at)
        {
            var schemas = ImmutableList.CreateBuilder<SchemaNode>();
            foreach (var (shape, properties) in shapes)
            {
                var before = schemas.Count;
                if (properties.TryGetValue(name, out var said))
                    schemas.Add(said);
                schemas.AddRange(patterns.Where((p, i) => p.Shape == shape && matches[i][at]).Select(p => p.Schema));
                if (schemas.Count == before && shape.Others is { } others)
                    schemas.Add(others);
            }

            if (isAllowed?[at] == false)
                return (ByteTerms.Nothing, required.Contains(name));
            return (terms.Concat(terms.Literal(texts[at]), terms.Literal(":"), compile(schemas.ToImmutable())), required.Contains(name));
        }
    }

    private static SchemaNode StringSchema { get; } =
        new(System.Text.Json.JsonDocument.Parse("""{"type":"string"}""").RootElement, "/propertyNames");

    /// <summary>The members in order and those of free names after them, where so many are allowed.</summary>
    private int Sequence(List<(int Term, bool IsRequired)> members, int free, (int Min, int Max) count)
    {
        var (min, max) = count;
        var isCounted = min > 0 || max < ByteTerms.Unlimited;
        if (isCounted && members.Count > MaxCounted)
            throw new FormatException($"counts members of an object that declares {members.Count}; at most {MaxCounted} are supported");
        if (free != ByteTerms.Nothing && min > members.Count + 1)
        {
            throw new FormatException(
                $"asks for {min} members where {members.Count} are declared: free names may repeat, so that more cannot be counted");
        }

        // What may follow so many members, counted if they must be, else none or some; from the end of the list to its start.
        var most = isCounted ? members.Count : 1;
        var rest = new int[most + 1];
        for (var before = 0; before <= most; before++)
            rest[before] = Others(free, min - before, max, before);
        for (var i = members.Count - 1; i >= 0; i--)
        {
            var (member, isRequired) = members[i];
            var next = rest;
            rest = new int[most + 1];
            for (var before = 0; before <= most; before++)
            {
                var with = terms.Concat(before == 0 ? ByteTerms.Empty : json.Comma, member, next[Math.Min(before + 1, most)]);
                rest[before] = isRequired ? with : terms.Or(with, next[before]);
            }
        }

        return rest[0];
    }

    /// <summary>Members of free names after so many others.</summary>
    private int Others(int free, int min, int max, int before)
    {
        // Two of them may have the same name, and count once.
        if (before > max || min > 1)
            return ByteTerms.Nothing;
        return json.List(free, Math.Max(min, 0), max == ByteTerms.Unlimited ? max : max - before, isFirst: before == 0);
    }

    /// <summary>A member whose name is not declared: it may match one of the patterns; names that match several are left out.</summary>
    private int Free(SchemaPart part, List<string> names, List<NamePattern> patterns, int allowed)
    {
        // A schema that declares members means those, and a model that may add others seldom stops: what is made fits the schema all the same.
        bool areOthersSaid = patterns.Count > 0 || !part.Names.IsEmpty || part.MemberCount.Min > names.Count
            || part.Objects.Exists(o => o.Others is not null);
        if (names.Count > 0 && !areOthersSaid)
            return ByteTerms.Nothing;
        var free = json.StringsBut(names);
        if (!part.Names.IsEmpty)
            free = Checked(ByteDfa.TryIntersect(terms, free, allowed, MaxNameStates));
        var ways = new List<int> { Member(Without(free, patterns), part.Objects.Select(shape => shape.Others)) };
        foreach (var pattern in patterns)
        {
            var matching = Checked(ByteDfa.TryIntersect(terms, free, pattern.Names, MaxNameStates));
            var others = part.Objects.Select(shape => shape == pattern.Shape ? pattern.Schema : shape.Others);
            ways.Add(Member(Without(matching, patterns.Where(other => other != pattern)), others));
        }

        return terms.Or(ways.ToArray());
    }

    private int Without(int names, IEnumerable<NamePattern> patterns) =>
        patterns.Aggregate(names, (left, pattern) => Checked(ByteDfa.TrySubtract(terms, left, pattern.Names, MaxNameStates)));

    private int Member(int name, IEnumerable<SchemaNode?> schemas) =>
        name == ByteTerms.Nothing ? name : terms.Concat(name, terms.Literal(":"), compile([.. schemas.OfType<SchemaNode>()]));

    /// <summary>Which of these texts an expression has.</summary>
    private List<bool> Fitting(List<byte[]> texts, int expression)
    {
        var states = expression == ByteTerms.Nothing ? null : new GrammarStates(terms, expression);
        return texts.ConvertAll(text => states?.Fits(text) == true);
    }

    private static int Checked(int? term) => term ?? throw new FormatException("has patterns for the names of members that need too many states");

    private sealed record NamePattern(int Names, SchemaNode Schema, ObjectShape Shape);
}
