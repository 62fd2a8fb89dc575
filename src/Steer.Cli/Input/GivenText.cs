namespace Steer.Cli.Input;

/// <summary>A text, and where it stands as errors name it, such as "texts.jsonl, text 2".</summary>
internal readonly record struct GivenText(string Text, string Source);
