using System.Collections.Frozen;

namespace Steer.Runtime.Tokenization;

/// <summary>Text to ids, without the special tokens that a template puts around them. Safe for several threads at once.</summary>
internal interface ITextEncoder
{
    /// <summary>Appends the ids of <paramref name="text"/>; a lone surrogate counts as U+FFFD.</summary>
    void Encode(string text, List<int> into);
}

/// <summary>What a loader makes of a file, whatever its kind.</summary>
internal sealed record TokenizerParts
{
    /// <summary>The file it was read from, for messages.</summary>
    public required string File { get; init; }

    /// <summary>All tokens, added ones too.</summary>
    public required Vocabulary Vocabulary { get; init; }

    /// <summary>Text to ids.</summary>
    public required ITextEncoder Encoder { get; init; }

    /// <summary>Token strings to text: the steps, first one first.</summary>
    public required IReadOnlyList<DecoderSpec> Decoders { get; init; }

    /// <summary>Ids put before a text when special tokens are asked for.</summary>
    public IReadOnlyList<int> Prefix { get; init; } = [];

    /// <summary>Ids put after a text when special tokens are asked for.</summary>
    public IReadOnlyList<int> Suffix { get; init; } = [];

    /// <summary>Ids left out of a text when special tokens are skipped.</summary>
    public required FrozenSet<int> SpecialIds { get; init; }

    /// <summary>Begin of sequence.</summary>
    public int? BosId { get; init; }

    /// <summary>End of sequence.</summary>
    public int? EosId { get; init; }

    /// <summary>The parts of the pipeline by name, each described in full: two tokenizers are the same when all are equal.</summary>
    public required IReadOnlyList<(string Part, string Description)> Pipeline { get; init; }
}
