namespace Steer.Cli.Input;

/// <summary>A prompt and where it came from.</summary>
/// <param name="Text">The text; null where ids are given.</param>
/// <param name="Ids">The tokens; null where text is given.</param>
/// <param name="Source">Named in errors.</param>
internal sealed record Prompt(string? Text, IReadOnlyList<int>? Ids, string Source);
