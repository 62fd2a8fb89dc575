using System.Text.Json;

namespace Steer.Runtime;

/// <summary>Numbers that JSON lacks.</summary>
internal static class JsonNumbers
{
    /// <summary>A number, or null where it is infinite or none.</summary>
    public static void WriteFinite(this Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number && double.IsFinite(number))
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }

    /// <summary>Likewise, in the fewest digits that read back as the same float.</summary>
    public static void WriteFinite(this Utf8JsonWriter json, string name, float? value)
    {
        if (value is { } number && float.IsFinite(number))
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }
}
