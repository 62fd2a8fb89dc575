using System.Text.Json;

namespace Steer.Runtime;

/// <summary>Where JSON is wrong, for a message to whoever wrote it.</summary>
internal static class JsonFault
{
    /// <summary>Member, line and byte, from 1, where they are known. Without the content, which may be anything and of any length.</summary>
    public static string Describe(JsonException fault)
    {
        if (fault.LineNumber is not { } line || fault.BytePositionInLine is not { } position)
            return fault.Message.ReplaceLineEndings(" ").TrimEnd('.');
        string member = fault.Path is { Length: > 2 } path ? $"\"{path[2..]}\", " : "";
        return FormattableString.Invariant($"{member}line {line + 1}, byte {position + 1}");
    }
}
