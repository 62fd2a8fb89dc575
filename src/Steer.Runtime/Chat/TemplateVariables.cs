using System.Text.Json;
using System.Text.RegularExpressions;

namespace Steer.Runtime.Chat;

/// <summary>What a chat template may look at besides the conversation, such as enable_thinking: values by their names.</summary>
public static partial class TemplateVariables
{
    // What the conversation itself gives, so that a variable of this name would not be seen.
    private static readonly string[] Taken = ["messages", "tools", "add_generation_prompt"];

    /// <summary>Throws where a name is none, or is that of something else.</summary>
    /// <param name="name">As the template has it.</param>
    /// <param name="source">The flag or file that it comes from, for the error.</param>
    /// <exception cref="SteerException">One line that names the source.</exception>
    public static void CheckName(string name, string source)
    {
        if (!Name().IsMatch(name))
            throw new SteerException($"{source} names '{name}': give a name of letters, digits and underscores, such as enable_thinking.");
        if (Taken.Contains(name))
            throw new SteerException($"{source} names {name}, which the conversation gives: leave it out.");
    }

    /// <summary>
    /// A value: of JSON, or Python's True, False and None, which templates are used to (a text False would count as true); anything else is the text
    /// itself.
    /// </summary>
    public static JsonElement Value(string text)
    {
        string json = text switch
        {
            "True" => "true",
            "False" => "false",
            "None" => "null",
            _ => text,
        };
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return JsonSerializer.SerializeToElement(text);
        }
    }

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
