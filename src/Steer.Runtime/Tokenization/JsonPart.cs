using System.Text.Json;
using System.Text.Unicode;

namespace Steer.Runtime.Tokenization;

/// <summary>A value of a JSON file with its place in it, so that an error names both.</summary>
internal sealed class JsonPart
{
    private readonly JsonPart? _parent;
    private readonly string? _name;
    private readonly int _index;

    /// <summary>A whole file.</summary>
    public JsonPart(string file, JsonElement element) => (File, Element) = (file, element);

    private JsonPart(JsonPart parent, string? name, int index, JsonElement element)
    {
        (_parent, _name, _index) = (parent, name, index);
        (File, Element) = (parent.File, element);
    }

    /// <summary>Parses a file; the caller disposes the document.</summary>
    /// <param name="file">Its name, for messages.</param>
    /// <param name="json">Its bytes.</param>
    /// <param name="kind">What it should be.</param>
    /// <param name="root">The whole file.</param>
    /// <exception cref="SteerException">It is not JSON, nests too deep, or names a member twice.</exception>
    public static JsonDocument Parse(string file, ReadOnlyMemory<byte> json, string kind, out JsonPart root)
    {
        if (!Utf8.IsValid(json.Span))
            throw new SteerException($"{file}: not {kind}: it is not UTF-8 text; the file is damaged");
        try
        {
            var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            root = new JsonPart(file, document.RootElement);
            return document;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second kind: a name with half a surrogate pair.
            throw new SteerException($"{file}: not {kind}: {JsonFault.Describe(e)}", e);
        }
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>The value.</summary>
    public JsonElement Element { get; }

    /// <summary>The value of "type", which says what an object describes.</summary>
    public string Type => Required("type").Text();

    /// <summary>A member, or null where it is missing or null.</summary>
    public JsonPart? Member(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return Element.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null ? new JsonPart(this, name, 0, member) : null;
    }

    /// <summary>A member that must be there.</summary>
    public JsonPart Required(string name) => Member(name) ?? throw Error($"'{name}' is missing");

    /// <summary>A true or false member.</summary>
    public bool Flag(string name, bool ifMissing)
    {
        if (Member(name) is not { } member)
            return ifMissing;
        return member.Element.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw member.Error("must be true or false"),
        };
    }

    /// <summary>The value as text.</summary>
    public string Text()
    {
        Expect(JsonValueKind.String, "a string");
        try
        {
            return Element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Error("is not valid Unicode; the file is damaged");
        }
    }

    /// <summary>The names and values of an object.</summary>
    public IEnumerable<(string Name, JsonElement Value)> Members()
    {
        Expect(JsonValueKind.Object, "an object");
        return Element.EnumerateObject().Select(member => (Named(member), member.Value));
    }

    /// <summary>The value as an integer.</summary>
    public int Integer() =>
        Element.ValueKind == JsonValueKind.Number && Element.TryGetInt32(out var value) ? value : throw Error("must be an integer");

    /// <summary>The values of an array.</summary>
    public IEnumerable<JsonPart> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        return Element.EnumerateArray().Select((item, i) => new JsonPart(this, null, i, item));
    }

    /// <summary>An exception that names the file and this place in it.</summary>
    public SteerException Error(string message) => new(_parent is null ? $"{File}: {message}" : $"{File}: {Place()}: {message}");

    /// <summary>Refuses a component of this name.</summary>
    public SteerException Unknown(string kind, string name, string known) =>
        Error($"{kind} {Vocabulary.Show(name)} is not supported; known are {known}");

    /// <summary>Such as model.vocab or added_tokens[3].id.</summary>
    private string Place()
    {
        if (_parent is null)
            return "";
        var outer = _parent.Place();
        return _name is null ? $"{outer}[{_index}]" : outer.Length == 0 ? _name : $"{outer}.{_name}";
    }

    private string Named(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            throw Error("has a name that is not valid Unicode; the file is damaged");
        }
    }

    private void Expect(JsonValueKind kind, string what)
    {
        if (Element.ValueKind != kind)
            throw Error($"must be {what}");
    }
}
