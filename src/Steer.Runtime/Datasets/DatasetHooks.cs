namespace Steer.Runtime.Datasets;

/// <summary>What a caller adds to a job. Each must answer by what it is given alone, or a resumed job will not be the same.</summary>
public sealed record DatasetHooks
{
    /// <summary>Called for each text that the rules accept, in the order of the items: null accepts it, a word is the reason to refuse it.</summary>
    public Func<DatasetExample, string?>? Filter { get; init; }

    /// <summary>
    /// Embeds each real and accepted text, into vectors of one length; <see cref="NegativeChoice.Similar"/> compares texts by their cosine. Null for
    /// hashed words and pairs of words. Called again for the lines that a resumed job finds.
    /// </summary>
    public Func<string, float[]>? Embed { get; init; }
}
