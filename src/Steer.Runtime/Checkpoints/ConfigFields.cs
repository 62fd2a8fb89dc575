using System.Text.Json;

namespace Steer.Runtime.Checkpoints;

/// <summary>
/// The fields of a JSON object in a configuration file, read with their types checked. A field that is null counts as missing, as
/// in Python, where the writers of these files come from.
/// </summary>
internal sealed class ConfigFields
{
    private const long MaxFileBytes = 16 << 20;

    private readonly JsonElement _element;
    private readonly string _path;

    private readonly long _maxSize;
    private readonly int _maxLayers;

    private ConfigFields(string file, string path, JsonElement element, long maxSize, int maxLayers)
    {
        File = file;
        _path = path;
        _element = element;
        _maxSize = maxSize;
        _maxLayers = maxLayers;
    }

    /// <summary>The file, for errors.</summary>
    public string File { get; }

    /// <summary>Reads a file whose outermost value is an object.</summary>
    /// <exception cref="SteerException">The file is missing, too large or no JSON object.</exception>
    public static ConfigFields ReadFile(string file)
    {
        try
        {
            using var stream = GitLfs.OpenRead(file);
            if (stream.Length > MaxFileBytes)
                throw FileError.At(file, $"{stream.Length} bytes are too many for a configuration file; check the path.");
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return Parse(file, bytes);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw FileError.At(file, "no such file; check that the folder is complete.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileError.At(file, $"cannot be read ({e.Message}); check that it is a file and that you may read it.", e);
        }
    }

    /// <summary>Reads JSON text whose outermost value is an object.</summary>
    /// <exception cref="SteerException">It is no JSON object.</exception>
    public static ConfigFields Parse(string file, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 64 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw FileError.At(file, "must hold one JSON object; copy or download it again.");
            return new ConfigFields(file, "", document.RootElement.Clone(), int.MaxValue, int.MaxValue);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw FileError.At(file, $"is no valid JSON ({JsonFault.Describe(e)}); copy or download it again.", e);
        }
    }

    /// <summary>Whether the object has the field, with a value other than null.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>Whether the object has the field, with the value null.</summary>
    public bool IsNull(string name) => Member(name) is { ValueKind: JsonValueKind.Null };

    /// <summary>
    /// The same fields with limits that the checkpoint's files set: no dimension is larger than the numbers they hold, and there are
    /// no more layers than tensors. So nothing that is sized by these fields outgrows the files.
    /// </summary>
    public ConfigFields WithLimits(long numbers, int tensors) => new(File, _path, _element, numbers, tensors);

    /// <summary>An error about this file.</summary>
    public SteerException Error(string problem) => FileError.At(File, problem);

    /// <summary>An error about a field.</summary>
    public SteerException Error(string name, string problem) => FileError.At(File, $"{_path}{name} {problem}");

    /// <summary>A dimension: a whole number from 1 on that the checkpoint can hold.</summary>
    public int Size(string name) => SizeOrNull(name) ?? throw Missing(name);

    /// <summary>A dimension, or <paramref name="fallback"/> where it is missing.</summary>
    public int Size(string name, int fallback) => SizeOrNull(name) ?? fallback;

    /// <summary>A dimension, or null where it is missing.</summary>
    public int? SizeOrNull(string name) => PositiveOrNull(name) is int value ? Fit(name, value) : null;

    /// <summary>A dimension that was worked out from fields: throws unless the checkpoint can hold it.</summary>
    public int Fit(string name, long size) => size <= Math.Min(_maxSize, int.MaxValue)
        ? (int)size
        : throw Error(name, $"makes a dimension of {size}, but the checkpoint holds {_maxSize} numbers in all; correct it.");

    /// <summary>The number of layers.</summary>
    public int LayerCount(string name)
    {
        int layers = Positive(name);
        return layers <= _maxLayers
            ? layers
            : throw Error(name, $"is {layers}, but the checkpoint holds {_maxLayers} tensors in all; correct it.");
    }

    /// <summary>A whole number from 1 on.</summary>
    public int Positive(string name) => PositiveOrNull(name) ?? throw Missing(name);

    /// <summary>A whole number from 1 on, or null where it is missing.</summary>
    public int? PositiveOrNull(string name) => IntOrNull(name) switch
    {
        0 => throw Error(name, "must be at least 1; correct it."),
        var value => value,
    };

    /// <summary>A whole number from 0 on.</summary>
    public int Int(string name) => IntOrNull(name) ?? throw Missing(name);

    /// <summary>A whole number from 0 on, or <paramref name="fallback"/> where it is missing.</summary>
    public int Int(string name, int fallback) => IntOrNull(name) ?? fallback;

    /// <summary>A whole number from 0 on, or null where it is missing.</summary>
    public int? IntOrNull(string name)
    {
        if (Find(name) is not JsonElement value)
            return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out int number) || number < 0)
            throw Error(name, $"must be a whole number from 0 to {int.MaxValue}; correct it.");
        return number;
    }

    /// <summary>A finite number.</summary>
    public float Float(string name) => FloatOrNull(name) ?? throw Missing(name);

    /// <summary>A finite number, or <paramref name="fallback"/> where it is missing.</summary>
    public float Float(string name, float fallback) => FloatOrNull(name) ?? fallback;

    /// <summary>A finite number, or null where it is missing.</summary>
    public float? FloatOrNull(string name) => (float?)DoubleOrNull(name);

    /// <summary>A number that float32 can hold, in double precision; null where it is missing.</summary>
    public double? DoubleOrNull(string name)
    {
        if (Find(name) is not JsonElement value)
            return null;
        return Number(value) ?? throw Error(name, "must be a number; correct it.");
    }

    /// <summary>A truth value, or <paramref name="fallback"/> where it is missing.</summary>
    public bool Bool(string name, bool fallback)
    {
        if (Find(name) is not JsonElement value)
            return fallback;
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Error(name, "must be true or false; correct it."),
        };
    }

    /// <summary>A text, or null where it is missing.</summary>
    public string? TextOrNull(string name)
    {
        if (Find(name) is not JsonElement value)
            return null;
        return Text(value) ?? throw Error(name, "must be a text; correct it.");
    }

    /// <summary>An object, or null where it is missing.</summary>
    public ConfigFields? ObjectOrNull(string name)
    {
        if (Find(name) is not JsonElement value)
            return null;
        if (value.ValueKind != JsonValueKind.Object)
            throw Error(name, "must be an object; correct it.");
        return new ConfigFields(File, $"{_path}{name}.", value, _maxSize, _maxLayers);
    }

    /// <summary>All fields as texts, in order.</summary>
    public IEnumerable<(string Name, string Value)> TextFields()
    {
        foreach (JsonProperty property in _element.EnumerateObject())
        {
            string name = NameOf(property);
            yield return (name, Text(property.Value) ?? throw Error(name, "must be a text; correct it."));
        }
    }

    /// <summary>All fields as numbers, in order.</summary>
    public IEnumerable<(string Name, double Value)> NumberFields()
    {
        foreach (JsonProperty property in _element.EnumerateObject())
        {
            string name = NameOf(property);
            yield return (name, Number(property.Value) ?? throw Error(name, "must be a number; correct it."));
        }
    }

    /// <summary>Texts, whether one or a list; null where the field is missing.</summary>
    public List<string>? TextsOrNull(string name) =>
        ListOrNull(name, value => Text(value) ?? throw Error(name, "must be a text or a list of texts; correct it."));

    /// <summary>Whole numbers from 0 on, whether one or a list; null where the field is missing.</summary>
    public List<int>? IntsOrNull(string name) => ListOrNull(name, value =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 0
            ? number
            : throw Error(name, "must be a whole number from 0 on or a list of them; correct it."));

    /// <summary>Finite numbers, whether one or a list.</summary>
    public List<float> Floats(string name) =>
        ListOrNull(name, value => (float)(Number(value) ?? throw Error(name, "must be a list of numbers; correct it."))) ?? throw Missing(name);

    /// <summary>Groups of texts, each with the number of times it repeats: [[["a", "b"], 2]]. Empty where the field is missing.</summary>
    public List<(List<string> Texts, int Times)> RepeatedTexts(string name)
    {
        return ListOrNull(name, Group) ?? [];

        (List<string> Texts, int Times) Group(JsonElement pair)
        {
            if (pair.ValueKind == JsonValueKind.Array && pair.GetArrayLength() == 2 && pair[0].ValueKind == JsonValueKind.Array
                && pair[1].ValueKind == JsonValueKind.Number && pair[1].TryGetInt32(out int times))
                return ([.. pair[0].EnumerateArray().Select(text => Text(text) ?? "")], times);
            throw Error(name, "must hold pairs of a list and a number; correct it.");
        }
    }

    /// <summary>Whether the field holds a list.</summary>
    public bool IsList(string name) => Find(name)?.ValueKind == JsonValueKind.Array;

    /// <summary>The field as Python's truth test sees it: missing, null, false, 0, "", [] and {} are false.</summary>
    public bool IsTruthy(string name) => Find(name) is JsonElement value && value.ValueKind switch
    {
        JsonValueKind.False => false,
        JsonValueKind.Number => !value.TryGetDouble(out double number) || number != 0,
        JsonValueKind.String => Text(value) is not "",
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => true,
    };

    /// <summary>The field's raw JSON value, for the few that no other method fits; null where it is missing.</summary>
    public JsonElement? Find(string name) => Member(name) is { ValueKind: not JsonValueKind.Null } value ? value : null;

    private JsonElement? Member(string name)
    {
        try
        {
            return _element.TryGetProperty(name, out JsonElement value) ? value : null;
        }
        catch (InvalidOperationException e)
        {
            throw NoUnicode("name", e);
        }
    }

    private List<T>? ListOrNull<T>(string name, Func<JsonElement, T> convert)
    {
        if (Find(name) is not JsonElement value)
            return null;
        return value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().Select(convert).ToList() : [convert(value)];
    }

    private static double? Number(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && float.IsFinite((float)number) ? number : null;

    private string? Text(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException e)
        {
            throw NoUnicode("text", e);
        }
    }

    private string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw NoUnicode("name", e);
        }
    }

    private SteerException NoUnicode(string what, Exception e) =>
        FileError.At(File, $"holds a {what} that is no valid Unicode; copy or download it again.", e);

    private SteerException Missing(string name) => Error(name, "is missing; copy or download the file again.");
}
