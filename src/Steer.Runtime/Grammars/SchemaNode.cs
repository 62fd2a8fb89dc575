using System.Text.Json;

namespace Steer.Runtime.Grammars;

/// <summary>A schema within a document.</summary>
/// <param name="Element">What is written there.</param>
/// <param name="Pointer">Where it is, as a JSON pointer after '#'; its name.</param>
internal readonly record struct SchemaNode(JsonElement Element, string Pointer)
{
    /// <summary>A member of the schema, or of a member.</summary>
    public SchemaNode Child(string name, JsonElement element) =>
        new(element, $"{Pointer}/{name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}");

    /// <summary>Members of an object, one by one.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public IEnumerable<(string Name, SchemaNode Value)> Members()
    {
        if (Element.ValueKind != JsonValueKind.Object)
            throw Error("must be an object");
        foreach (var member in Element.EnumerateObject())
            yield return (member.Name, Child(member.Name, member.Value));
    }

    /// <summary>Items of an array, one by one.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public IEnumerable<SchemaNode> Items()
    {
        if (Element.ValueKind != JsonValueKind.Array)
            throw Error("must be an array");
        var i = 0;
        foreach (var item in Element.EnumerateArray())
            yield return Child($"{i++}", item);
    }

    /// <summary>A text.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public string Text() => Element.ValueKind == JsonValueKind.String ? Element.GetString()! : throw Error("must be a text");

    /// <summary>A number that is not negative and has no fraction.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public int Count() => Element.ValueKind == JsonValueKind.Number && Element.TryGetDouble(out var count) && count >= 0 && count == Math.Floor(count)
        ? (int)Math.Min(count, int.MaxValue)
        : throw Error("must be an integer that is not negative");

    /// <summary>A number.</summary>
    /// <exception cref="FormatException">It is none, or has too many digits.</exception>
    public DecimalText Number() => Element.ValueKind == JsonValueKind.Number && DecimalText.TryRead(Element) is { } number
        ? number
        : throw Error("must be a number of a few hundred digits at most");

    /// <summary>Something that is wrong here.</summary>
    public FormatException Error(string what) => new($"at #{Pointer} {what}");
}
