using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Steer.Runtime.Datasets;

/// <summary>What is wrong with a task.json, for whoever wrote it.</summary>
internal static class TaskFault
{
    /// <summary>One line that names the file, the member and what it has to be.</summary>
    /// <param name="file">The file.</param>
    /// <param name="fault">What the reader of JSON found.</param>
    /// <param name="format">How the file is read.</param>
    public static SteerException Describe(string file, JsonException fault, JsonSerializerOptions format)
    {
        // The reader's own exceptions stand within those of the deserializer.
        if (fault.InnerException is JsonException)
            return new SteerException($"{file}: is no JSON ({JsonFault.Describe(fault)}). Mend it.", fault);
        string path = fault.Path is { Length: > 1 } full ? full[1..].TrimStart('.') : "";
        bool ofLabel = path.StartsWith("labels[", StringComparison.Ordinal);
        string name = path[(path.LastIndexOf('.') + 1)..].Split('[')[0];
        var holder = ofLabel && path.Contains('.', StringComparison.Ordinal) ? typeof(TaskLabel) : typeof(GenerationTask);
        var members = format.GetTypeInfo(holder).Properties;
        if (members.FirstOrDefault(m => m.Name == name) is { } member && Wanted(member, item: path.EndsWith(']')) is { } wanted)
        {
            string message = FormattableString.Invariant($"{file}, line {fault.LineNumber + 1}: \"{path}\" must be {wanted}. Correct it.");
            return new SteerException(message, fault);
        }

        return new SteerException($"{file}: is no task ({JsonFault.Describe(fault)}). Give an object with at least a prompt.", fault);
    }

    private static string? Wanted(JsonPropertyInfo member, bool item) =>
        (Nullable.GetUnderlyingType(member.PropertyType) ?? member.PropertyType) switch
        {
            var type when type == typeof(string) => "a text",
            var type when type == typeof(bool) => "true or false",
            var type when type == typeof(int) => "a whole number",
            var type when type == typeof(float) || type == typeof(double) => "a number",
            var type when type == typeof(IReadOnlyList<string>) => item ? "a text" : "a list of texts",
            var type when type == typeof(IReadOnlyList<TaskLabel>) =>
                item ? "an object with a name and a prompt" : "a list of objects, each with a name and a prompt",
            var type when type == typeof(IReadOnlyDictionary<string, JsonElement>) => "an object",
            _ => null,
        };
}
