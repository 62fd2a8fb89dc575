using System.Diagnostics.CodeAnalysis;

namespace Steer.Runtime.Grammars;

/// <summary>
/// What a text has to be from its first character to its last: exactly one of the three is given. Every token that could not lead there is banned
/// while the text is made. Names are those of vLLM's structured_outputs.
/// </summary>
public sealed record StructuredOutput
{
    /// <summary>A regular expression without look-around and back-references.</summary>
    [StringSyntax(StringSyntaxAttribute.Regex)]
    public string? Regex { get; init; }

    /// <summary>A JSON schema; texts are JSON without white space between its parts, and members come in the order of the schema.</summary>
    [StringSyntax(StringSyntaxAttribute.Json)]
    public string? Json { get; init; }

    /// <summary>Texts, one of which is made.</summary>
    public IReadOnlyList<string>? Choices { get; init; }

    /// <summary>Stands before such a text: what a task puts between its prompt and a text. Empty for nothing.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>Throws unless exactly one is given.</summary>
    /// <exception cref="SteerException">One line.</exception>
    public void Check()
    {
        int given = (Regex is null ? 0 : 1) + (Json is null ? 0 : 1) + (Choices is null ? 0 : 1);
        if (given != 1)
            throw new SteerException($"Structured output has {given} of a regular expression, a JSON schema and choices: give one.");
    }
}
