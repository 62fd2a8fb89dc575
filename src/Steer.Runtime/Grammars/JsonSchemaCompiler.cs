using System.Collections.Immutable;
using System.Text;
using System.Text.Json;

namespace Steer.Runtime.Grammars;

/// <summary>
/// JSON schemas as expressions of the texts that fit them, without white space. Alternatives of oneOf count as those of anyOf. What is not regular is
/// bounded: schemas that refer to themselves, and values of which nothing is said, lie in each other only so deep.
/// </summary>
internal sealed class JsonSchemaCompiler
{
    private const int MaxLength = 1 << 20;
    private const int MaxRecursion = 8;
    private const int MaxNesting = 256;
    private const int MaxWork = 1 << 17;

    private readonly ByteTerms _terms;
    private readonly JsonTexts _json;
    private readonly NumberTerms _numbers;
    private readonly StringTerms _strings;
    private readonly SchemaReferences _references;
    private readonly Dictionary<(string Schemas, int Recursion), int> _known = [];
    private int _nesting;
    private int _work;

    private JsonSchemaCompiler(ByteTerms terms, JsonElement root)
    {
        _terms = terms;
        _json = new JsonTexts(terms);
        _numbers = new NumberTerms(terms);
        _strings = new StringTerms(terms, _json);
        _references = new SchemaReferences(root);
    }

    /// <summary>The texts that fit a schema.</summary>
    /// <exception cref="FormatException">It is damaged, too large or cannot be followed.</exception>
    public static int Compile(ByteTerms terms, string schema)
    {
        if (schema.Length > MaxLength)
            throw new FormatException($"has {schema.Length} characters; at most {MaxLength} are supported");
        try
        {
            using var document = JsonDocument.Parse(schema, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return new JsonSchemaCompiler(terms, document.RootElement).Compile([new SchemaNode(document.RootElement, "")], MaxRecursion);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException($"is no JSON ({JsonFault.Describe(e)}). Mend it.", e);
        }
    }

    /// <summary>The values that fit all of these schemas.</summary>
    private int Compile(ImmutableList<SchemaNode> schemas, int recursion)
    {
        if (schemas.IsEmpty)
            return _json.AnyValue;
        var key = (string.Join(' ', schemas.Select(schema => schema.Pointer)), recursion);
        if (_known.TryGetValue(key, out var known))
            return known;
        if (++_nesting > MaxNesting)
            throw schemas[0].Error($"is nested more than {MaxNesting} deep");
        var start = schemas.Aggregate(new Branch(SchemaPart.Anything, [], recursion), (branch, schema) => Add(branch, schema, null)!);
        var term = Alternatives(start, schemas[0]);
        _nesting--;
        return _known[key] = term;
    }

    /// <summary>What is said so far with what a schema adds to it; null where no value is left.</summary>
    /// <param name="branch">What is said so far; null where no value is left.</param>
    /// <param name="schema">The schema.</param>
    /// <param name="from">The schemas that led to this one without going into a value: one that leads to itself has no smallest text.</param>
    private Branch? Add(Branch? branch, SchemaNode schema, Path? from)
    {
        for (var path = from; path is not null; path = path.From)
        {
            if (path.Pointer == schema.Pointer)
                return null;
        }

        if (branch is null || schema.Element.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return schema.Element.ValueKind == JsonValueKind.False ? null : branch;
        var here = new Path(schema.Pointer, from, (from?.Length ?? 0) + 1);
        if (here.Length > MaxNesting)
            throw schema.Error($"is referred to more than {MaxNesting} deep");
        branch = branch with { Part = SchemaKeywords.Add(branch.Part, schema) };
        Count(1 + (branch.Part.Values?.Count ?? 0) + (branch.Part.Objects.LastOrDefault()?.Properties.Count ?? 0));
        foreach (var (keyword, value) in schema.Members())
        {
            switch (keyword)
            {
                case "$ref":
                    var (target, isRecursive) = _references.Follow(value);
                    if (isRecursive && branch is not null)
                        branch = branch.Recursion == 0 ? null : branch with { Recursion = branch.Recursion - 1 };
                    branch = Add(branch, target, here);
                    break;
                case "allOf":
                    branch = value.Items().Aggregate(branch, (all, item) => Add(all, item, here));
                    break;
                case "anyOf" or "oneOf":
                    branch = branch is null ? null : branch with { Choices = branch.Choices.Add(new Choice([.. value.Items()], here)) };
                    break;
            }
        }

        return branch;
    }

    private int Alternatives(Branch? branch, SchemaNode schema)
    {
        if (branch is null)
            return ByteTerms.Nothing;
        if (branch.Choices is not [var choice, ..])
            return Values(branch.Part, branch.Recursion, schema);
        if (++_nesting > MaxNesting)
            throw schema.Error($"is nested more than {MaxNesting} deep");
        var without = branch with { Choices = branch.Choices.RemoveAt(0) };
        var term = _terms.Or([.. choice.Options.Select(option => Alternatives(Add(without, option, choice.From), schema))]);
        _nesting--;
        return term;
    }

    /// <summary>Bounds what a small schema can ask for by combining its parts.</summary>
    private void Count(int work)
    {
        _work += work;
        if (_work > MaxWork)
            throw new FormatException("has too many alternatives together. Write the schema with fewer of them.");
    }

    private int Values(SchemaPart part, int recursion, SchemaNode schema)
    {
        if (part.Values is { } values)
            return Listed(values, part with { Values = null }, recursion, schema);
        if (part == SchemaPart.Anything)
            return _json.AnyValue;
        var ways = new List<int>();
        if (part.Types.HasFlag(SchemaTypes.Null))
            ways.Add(_terms.Literal("null"));
        if (part.Types.HasFlag(SchemaTypes.Boolean))
            ways.AddRange(_terms.Literal("true"), _terms.Literal("false"));
        if (part.Types.HasFlag(SchemaTypes.Array))
            ways.Add(At(schema, () => new ArrayTerms(_terms, _json, items => Compile(items, recursion)).Term(part)));
        if (part.Types.HasFlag(SchemaTypes.Object))
            ways.Add(At(schema, () => new ObjectTerms(_terms, _json, _strings, items => Compile(items, recursion)).Term(part)));
        if (part.Types.HasFlag(SchemaTypes.Number))
            ways.Add(At(schema, () => Numbers(part)));
        if (part.Types.HasFlag(SchemaTypes.String))
            ways.Add(At(schema, () => _strings.Term(part.Strings)));
        return _terms.Or(ways.ToArray());
    }

    private int Numbers(SchemaPart part)
    {
        var isFree = part is { Lower: null, Upper: null, IsInteger: false, Divisors.IsEmpty: true };
        return isFree ? _json.AnyNumber : part.Divisors.Aggregate(_numbers.Range(part.Lower, part.Upper, part.IsInteger), _numbers.Multiples);
    }

    /// <summary>Those of a list of values that fit what else is said of them.</summary>
    private int Listed(ImmutableList<JsonElement> values, SchemaPart others, int recursion, SchemaNode schema)
    {
        var texts = values
            .Where(value => others.Types.HasFlag(TypeOf(value)))
            .Select(value => Encoding.UTF8.GetBytes(JsonTexts.Write(value)))
            .ToList();
        if (others.IsLimited && Values(others, recursion, schema) is var fitting)
        {
            var states = fitting == ByteTerms.Nothing ? null : new GrammarStates(_terms, fitting);
            texts.RemoveAll(text => states is null || !states.Fits(text));
        }

        return texts.Count == 0 ? ByteTerms.Nothing : At(schema, () => ChoiceCompiler.AnyOf(_terms, texts));
    }

    private static SchemaTypes TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => SchemaTypes.Null,
        JsonValueKind.True or JsonValueKind.False => SchemaTypes.Boolean,
        JsonValueKind.Number => SchemaTypes.Number,
        JsonValueKind.String => SchemaTypes.String,
        JsonValueKind.Array => SchemaTypes.Array,
        _ => SchemaTypes.Object,
    };

    /// <summary>Names the place of what is wrong, unless a place within it is named.</summary>
    private static int At(SchemaNode schema, Func<int> compile)
    {
        try
        {
            return compile();
        }
        catch (FormatException e) when (!e.Message.StartsWith("at #", StringComparison.Ordinal))
        {
            throw new FormatException(schema.Error(e.Message).Message, e);
        }
    }

    /// <summary>What is said of a value, and the alternatives of which one each must fit.</summary>
    private sealed record Branch(SchemaPart Part, ImmutableList<Choice> Choices, int Recursion);

    private sealed record Choice(ImmutableList<SchemaNode> Options, Path From);

    private sealed record Path(string Pointer, Path? From, int Length);
}
