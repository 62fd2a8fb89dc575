namespace Steer.Runtime.Datasets;

/// <summary>What a caller adds to a job. Each must answer by what it is given alone, or a resumed job will not be the same.</summary>
public sealed record DatasetHooks
{
    /// <summary>Called for each text that the rules accept, in the order of the items: null accepts it, a word is the reason to refuse it.</summary>
    public Func<DatasetExample, string?>? Filter { get; init; }

    /// <summary>
    /// A vector for each real and accepted text, all of the same length, by whose cosines <see cref="NegativeChoice.Similar"/> tells what is similar;
    /// null for hashed words and pairs of words. Called again for the lines of a job that is gone on with.
    /// </summary>
    public Func<string, float[]>? Embed { get; init; }
}
