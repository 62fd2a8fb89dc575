using System.Text.Json;
using System.Text.Json.Nodes;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Reads the keys of one architecture, and collects the fields of config.json that they give.</summary>
/// <param name="file">The file.</param>
/// <param name="architecture">Stands before its keys.</param>
internal sealed class GgufReader(GgufFile file, string architecture)
{
    private readonly JsonObject _fields = [];

    /// <summary>The file.</summary>
    public GgufFile File => file;

    /// <summary>Numbers of a head.</summary>
    public long HeadDim => IntegerOrNull("attention.key_length") ?? Integer("embedding_length") / Math.Max(1, UniformInteger("attention.head_count"));

    /// <summary>Whether the file holds a tensor.</summary>
    public bool HasTensor(string name) => file.Tensors.ContainsKey(name);

    /// <summary>A whole number.</summary>
    public long Integer(string key) => file.Metadata.Integer(Full(key));

    /// <summary>A whole number, or null where it is missing.</summary>
    public long? IntegerOrNull(string key) => file.Metadata.IntegerOrNull(Full(key));

    /// <summary>A whole number that may be written for each layer.</summary>
    public long UniformInteger(string key) => UniformIntegerOrNull(key) ?? Integer(key);

    /// <summary>A whole number that may be written for each layer, or null where it is missing.</summary>
    public long? UniformIntegerOrNull(string key) => file.Metadata.UniformIntegerOrNull(Full(key));

    /// <summary>A number, or null where it is missing.</summary>
    public double? NumberOrNull(string key) => file.Metadata.NumberOrNull(Full(key));

    /// <summary>A truth value, or null where it is missing.</summary>
    public bool? BoolOrNull(string key) => file.Metadata.BoolOrNull(Full(key));

    /// <summary>A text, or null where it is missing.</summary>
    public string? TextOrNull(string key) => file.Metadata.TextOrNull(Full(key));

    /// <summary>Whether there is an array.</summary>
    public bool IsArray(string key) => file.Metadata.IsArray(Full(key));

    /// <summary>An array of whole numbers or truth values.</summary>
    public long[] Integers(string key) => file.Metadata.IntegersOrNull(Full(key)) ?? [];

    /// <summary>An error about a key.</summary>
    public SteerException Error(string key, string problem) => file.Metadata.Error(Full(key), problem);

    /// <summary>Gives a field of config.json its value.</summary>
    /// <exception cref="SteerException">It is a number that is not finite: worked out from a length of 0, say.</exception>
    public void Set(string field, JsonNode value)
    {
        if (value is JsonValue scalar && scalar.TryGetValue(out double number) && !double.IsFinite(number))
            throw FileError.At(file.Path, $"its metadata make {field} no finite number; copy or download the file again.");
        _fields[field] = value;
    }

    /// <summary>Gives a field the number of a key that is there and not 0, which stands for none.</summary>
    public void Copy(string key, string field)
    {
        if (NumberOrNull(key) is { } number and not 0)
            Set(field, number);
    }

    /// <summary>The fields so far.</summary>
    public ConfigFields Fields() => ConfigFields.Parse(file.Path, JsonSerializer.SerializeToUtf8Bytes(_fields));

    private string Full(string key) => $"{architecture}.{key}";
}
