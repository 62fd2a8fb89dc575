namespace Steer.Runtime.Sweeps;

/// <summary>How far a sweep is.</summary>
public sealed record SweepProgress
{
    /// <summary>Cells asked for.</summary>
    public required int Cells { get; init; }

    /// <summary>The current stage, from 0: the cells and their fixed controls, then temperatures that match their entropies, step by step.</summary>
    public required int Stage { get; init; }

    /// <summary>Texts of the stage that are made.</summary>
    public required int Made { get; init; }

    /// <summary>Texts of the stage.</summary>
    public required int StageTexts { get; init; }

    /// <summary>Texts of all stages that are made.</summary>
    public required int Texts { get; init; }

    /// <summary>Searches for a temperature that are open.</summary>
    public required int OpenSearches { get; init; }

    /// <summary>Generated tokens.</summary>
    public required long Tokens { get; init; }

    /// <summary>Seconds that this process has been generating.</summary>
    public required double Seconds { get; init; }

    /// <summary>Tokens per second of <see cref="Seconds"/>.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Seconds left of the stage at this pace; null before the first text.</summary>
    public required double? SecondsLeft { get; init; }

    /// <summary>Everything is made.</summary>
    public required bool Done { get; init; }

    /// <summary>The newest text and its cell; null before the first.</summary>
    public required SweepText? LastText { get; init; }
}
