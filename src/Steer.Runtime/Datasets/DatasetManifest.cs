using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Steer.Runtime.Datasets;

/// <summary>manifest.json: what a job is made from. Written before anything else, and compared when a job goes on.</summary>
internal static class DatasetManifest
{
    /// <summary>The member with the command line: the same job may be asked for in many ways, so it is not compared.</summary>
    public const string CommandName = "command";

    private const int Format = 1;

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        WriteIndented = true,
        NewLine = "\n",
    };

    /// <summary>The manifest of a job.</summary>
    public static JsonObject Create<TConfig>(TConfig config, DatasetSources sources) => new()
    {
        ["format"] = Format,
        ["steer"] = typeof(DatasetManifest).Assembly.GetName().Version!.ToString(3),
        [CommandName] = sources.Command,
        ["device"] = sources.Device,
        ["weights"] = sources.Weights,
        ["hashes"] = new JsonObject(
            sources.Hashes.OrderBy(h => h.Key, StringComparer.Ordinal).Select(h => KeyValuePair.Create(h.Key, (JsonNode?)h.Value))),
        ["config"] = JsonSerializer.SerializeToNode(config, Options),
    };

    /// <summary>As it is written.</summary>
    public static byte[] Serialize(JsonObject manifest) => [.. JsonSerializer.SerializeToUtf8Bytes(manifest, Options), (byte)'\n'];

    /// <summary>Reads a manifest.</summary>
    /// <exception cref="SteerException">The file is no manifest, or cannot be read.</exception>
    public static JsonObject Read(string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllBytes(path)) as JsonObject ?? throw new JsonException("it is no object");
        }
        catch (JsonException e)
        {
            throw new SteerException($"{path}: is no manifest ({JsonFault.Describe(e)}). Give another folder, or remove this one.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(path, e, "Give the folder of a job.");
        }
    }

    /// <summary>Whether it is that of a sweep, and not of a data set.</summary>
    public static bool IsSweep(JsonObject manifest) => manifest["config"] is JsonObject config && config.ContainsKey("cells");

    /// <summary>The config of the manifest of a data set.</summary>
    /// <exception cref="SteerException">It has none, or is that of a sweep.</exception>
    public static DatasetJobConfig Config(JsonObject manifest, string path)
    {
        if (IsSweep(manifest))
            throw new SteerException($"{path}: holds a sweep. Give the folder of a data set.");
        try
        {
            var config = manifest["config"].Deserialize<DatasetJobConfig>(Options) ?? throw new JsonException("it has no config");

            // The reader of JSON heeds no annotation of an item.
            return config.Labels.All(label => label is not null) ? config : throw new JsonException("a label is null");
        }
        catch (JsonException e)
        {
            throw new SteerException($"{path}: is no manifest ({JsonFault.Describe(e)}). Give another folder.", e);
        }
    }

    /// <summary>What differs, each as "name: value in the folder, then the one given now".</summary>
    public static IReadOnlyList<string> Differences(JsonNode? stored, JsonNode? given)
    {
        var differences = new List<string>();
        Compare("", stored, given, differences);
        differences.RemoveAll(d => d.StartsWith(CommandName + " ", StringComparison.Ordinal));
        return differences;
    }

    private static void Compare(string name, JsonNode? stored, JsonNode? given, List<string> differences)
    {
        if (stored is JsonObject a && given is JsonObject b)
        {
            foreach (string key in a.Select(p => p.Key).Union(b.Select(p => p.Key)))
                Compare(name.Length == 0 ? key : $"{name}.{key}", a[key], b[key], differences);
        }
        else if (!JsonNode.DeepEquals(stored, given))
        {
            differences.Add($"{name} ({Show(stored)} there, {Show(given)} now)");
        }
    }

    private static string Show(JsonNode? value)
    {
        const int longest = 60;
        string text = value?.ToJsonString(new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }) ?? "none";
        return text.Length <= longest ? text : text[..longest] + "...";
    }
}
