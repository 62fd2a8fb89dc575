using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Json;

namespace Steer.Runtime.Grammars;

/// <summary>Reads the keywords of a schema into what is said of a value. Those that lead to other schemas are left to the compiler.</summary>
internal static class SchemaKeywords
{
    private static readonly FrozenSet<string> Annotations = FrozenSet.Create(
        StringComparer.Ordinal,
        "$schema", "$id", "id", "$comment", "$anchor", "$defs", "definitions", "title", "description", "default", "examples", "example", "deprecated",
        "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "contentSchema");

    /// <summary>Keywords that the compiler follows.</summary>
    private static readonly FrozenSet<string> Links = FrozenSet.Create(StringComparer.Ordinal, "$ref", "allOf", "anyOf", "oneOf");

    /// <summary>What is said so far, and what a schema adds to it.</summary>
    /// <exception cref="FormatException">A keyword is wrong or cannot be followed.</exception>
    public static SchemaPart Add(SchemaPart part, SchemaNode schema)
    {
        var members = new Dictionary<string, SchemaNode>();
        foreach (var (keyword, value) in schema.Members())
        {
            if (Links.Contains(keyword) || Annotations.Contains(keyword) || keyword.StartsWith("x-", StringComparison.Ordinal))
                continue;
            members.Add(keyword, value);
            part = AddAlone(part, keyword, value, schema);
        }

        if (Shape(members) is { } array)
            part = part with { Arrays = part.Arrays.Add(array) };
        return members.ContainsKey("properties") || members.ContainsKey("patternProperties") || members.ContainsKey("additionalProperties")
            ? part with { Objects = part.Objects.Add(Members(members)) }
            : part;
    }

    private static SchemaPart AddAlone(SchemaPart part, string keyword, SchemaNode value, SchemaNode schema)
    {
        switch (keyword)
        {
            case "type":
                return AddTypes(part, value);
            case "const":
                return AddValues(part, [value.Element]);
            case "enum":
                return AddValues(part, [.. value.Items().Select(item => item.Element)]);
            case "minimum" or "exclusiveMinimum":
                return part with { Lower = Tighter(part.Lower, new NumberBound(value.Number(), keyword == "minimum"), 1) };
            case "maximum" or "exclusiveMaximum":
                return part with { Upper = Tighter(part.Upper, new NumberBound(value.Number(), keyword == "maximum"), -1) };
            case "multipleOf":
                var divisor = value.Number();
                return divisor.CompareTo(DecimalText.Zero) > 0
                    ? part with { Divisors = part.Divisors.Add(divisor) }
                    : throw value.Error("must be above 0");
            case "minLength":
                return part with { Strings = part.Strings with { MinLength = Math.Max(part.Strings.MinLength, value.Count()) } };
            case "maxLength":
                return part with { Strings = part.Strings with { MaxLength = Math.Min(part.Strings.MaxLength, value.Count()) } };
            case "pattern":
                return part with { Strings = part.Strings with { Patterns = With(part.Strings.Patterns, value.Text()) } };
            case "format":
                return part with { Strings = part.Strings with { Formats = With(part.Strings.Formats, value.Text()) } };
            case "minItems":
                return part with { ItemCount = (Math.Max(part.ItemCount.Min, value.Count()), part.ItemCount.Max) };
            case "maxItems":
                return part with { ItemCount = (part.ItemCount.Min, Math.Min(part.ItemCount.Max, value.Count())) };
            case "minProperties":
                return part with { MemberCount = (Math.Max(part.MemberCount.Min, value.Count()), part.MemberCount.Max) };
            case "maxProperties":
                return part with { MemberCount = (part.MemberCount.Min, Math.Min(part.MemberCount.Max, value.Count())) };
            case "required":
                return part with { Required = part.Required.AddRange(value.Items().Select(item => item.Text())) };
            case "propertyNames":
                return part with { Names = part.Names.Add(value) };
            case "items" or "prefixItems" or "additionalItems" or "properties" or "patternProperties" or "additionalProperties":
                return part;
            case "uniqueItems" when value.Element.ValueKind == JsonValueKind.False:
                return part;
            default:
                throw schema.Error($"has '{keyword}', which a grammar cannot follow. Write the schema without it.");
        }
    }

    private static SchemaPart AddTypes(SchemaPart part, SchemaNode value)
    {
        var names = value.Element.ValueKind == JsonValueKind.Array ? value.Items().Select(item => item.Text()).ToList() : [value.Text()];
        var types = SchemaTypes.None;
        foreach (var name in names)
        {
            types |= name switch
            {
                "null" => SchemaTypes.Null,
                "boolean" => SchemaTypes.Boolean,
                "number" or "integer" => SchemaTypes.Number,
                "string" => SchemaTypes.String,
                "array" => SchemaTypes.Array,
                "object" => SchemaTypes.Object,
                _ => throw value.Error($"has a type {Tokenization.Vocabulary.Show(name)} that there is not"),
            };
        }

        return part with { Types = part.Types & types, IsInteger = part.IsInteger || (names.Contains("integer") && !names.Contains("number")) };
    }

    private static SchemaPart AddValues(SchemaPart part, ImmutableList<JsonElement> values)
    {
        if (part.Values is not { } before)
            return part with { Values = values };
        var written = values.Select(JsonTexts.Write).ToHashSet();
        return part with { Values = before.RemoveAll(value => !written.Contains(JsonTexts.Write(value))) };
    }

    /// <summary>The bound that allows less; <paramref name="sign"/> is 1 for lower ones.</summary>
    private static NumberBound Tighter(NumberBound? before, NumberBound bound, int sign)
    {
        var order = before is null ? -1 : before.Value.CompareTo(bound.Value) * sign;
        return order > 0 || (order == 0 && !before!.IsIncluded) ? before! : bound;
    }

    private static ArrayShape? Shape(Dictionary<string, SchemaNode> members)
    {
        SchemaNode? items = members.TryGetValue("items", out var some) ? some : null;
        if (items is { Element.ValueKind: JsonValueKind.Array } list)
        {
            // Drafts before 2020-12 had the front here, and the others in additionalItems.
            return new ArrayShape([.. list.Items()], members.TryGetValue("additionalItems", out var others) ? others : null);
        }

        var hasPrefix = members.TryGetValue("prefixItems", out var prefix);
        return hasPrefix || items is not null ? new ArrayShape(hasPrefix ? [.. prefix.Items()] : [], items) : null;
    }

    private static ObjectShape Members(Dictionary<string, SchemaNode> members) => new(
        members.TryGetValue("properties", out var properties) ? [.. properties.Members()] : [],
        members.TryGetValue("patternProperties", out var patterns) ? [.. patterns.Members()] : [],
        members.TryGetValue("additionalProperties", out var others) ? others : null);

    private static ImmutableList<string> With(ImmutableList<string> list, string text) => list.Contains(text) ? list : list.Add(text);
}
