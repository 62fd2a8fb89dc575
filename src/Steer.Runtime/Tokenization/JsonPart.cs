using System.Text.Json;
using System.Text.Unicode;

namespace Steer.Runtime.Tokenization;

/// <summary>A value of a JSON file with its place in it, so that an error names both.</summary>
internal readonly struct JsonPart(string file, string path, JsonElement element)
{
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
            root = new JsonPart(file, "", document.RootElement);
            return document;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The second kind: a name with half a surrogate pair.
            throw new SteerException($"{file}: not {kind}: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    /// <summary>The file.</summary>
    public string File => file;

    /// <summary>The value.</summary>
    public JsonElement Element => element;

    /// <summary>The value of "type", which says what an object describes.</summary>
    public string Type => Required("type").Text();

    /// <summary>A member, or null where it is missing or null.</summary>
    public JsonPart? Member(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return element.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null
            ? new JsonPart(file, path.Length == 0 ? name : $"{path}.{name}", member)
            : null;
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
            return element.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new SteerException($"{file}: {path}: is not valid Unicode; the file is damaged", e);
        }
    }

    /// <summary>The names and values of an object.</summary>
    public IEnumerable<(string Name, JsonElement Value)> Members()
    {
        Expect(JsonValueKind.Object, "an object");
        var self = this;
        return element.EnumerateObject().Select(member => (self.Named(member), member.Value));
    }

    /// <summary>The value as an integer.</summary>
    public int Integer() => element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out var value) ? value : throw Error("must be an integer");

    /// <summary>The values of an array.</summary>
    public IEnumerable<JsonPart> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        var (outerFile, outerPath) = (file, path);
        return element.EnumerateArray().Select((item, i) => new JsonPart(outerFile, $"{outerPath}[{i}]", item));
    }

    /// <summary>An exception that names the file and this place in it.</summary>
    public SteerException Error(string message) => new($"{file}: {(path.Length == 0 ? "the file" : path)}: {message}");

    /// <summary>Refuses a component of this name.</summary>
    public SteerException Unknown(string kind, string name, string known) => Error($"{kind} {Vocabulary.Show(name)} is not supported; known are {known}");

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
        if (element.ValueKind != kind)
            throw Error($"must be {what}");
    }
}
