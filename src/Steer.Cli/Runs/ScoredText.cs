namespace Steer.Cli.Runs;

/// <summary>A text to score.</summary>
/// <param name="Source">Named in errors.</param>
/// <param name="Text">As it was given; null where ids were.</param>
/// <param name="Context">Tokens before those scored; at least one.</param>
/// <param name="Completion">Tokens that are scored; none where a sequence is its context alone.</param>
internal sealed record ScoredText(string Source, string? Text, int[] Context, int[] Completion)
{
    /// <summary>All tokens.</summary>
    public int[] Sequence => [.. Context, .. Completion];
}
