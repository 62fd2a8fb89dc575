using System.Text.Json;

namespace Steer.Runtime;

/// <summary>Where JSON is wrong, for a message to whoever wrote it.</summary>
internal static class JsonFault
{
    /// <summary>
    /// Member, line and byte, from 1, where they are known. Without the content, which may be anything and of any length. Other faults than
    /// <see cref="JsonException"/> say themselves what is wrong: a name with half a surrogate pair is an <see cref="InvalidOperationException"/>.
    /// </summary>
    public static string Describe(Exception fault)
    {
        if (fault is not JsonException { LineNumber: { } line, BytePositionInLine: { } position } json)
            return fault.Message.ReplaceLineEndings(" ").TrimEnd('.');
        string member = json.Path is { Length: > 1 } path ? $"\"{path[1..].TrimStart('.')}\", " : "";
        return FormattableString.Invariant($"{member}line {line + 1}, byte {position + 1}");
    }
}
