namespace Steer.Kernels.Tests.Reference;

/// <summary>
/// A text between two decode steps, told by its history instead of by arrays that change in place: what it drew so far, and by that where its
/// branches stand.
/// </summary>
public sealed class AdvanceReference(int firstStep, int maxTokens, int minTokens, int[] stops, int freeBiases, int allBiases)
{
    /// <summary>Tokens that count: those before the text ended, and the one that ended it.</summary>
    private readonly List<int> _drawn = [];

    public bool Finished { get; private set; }

    /// <summary>Token that each branch reads next; null where it reads what it read before.</summary>
    public int? NextToken => Moves == 0 ? null : _drawn[Moves - 1];

    /// <summary>Positions by which each branch moved on: one for each token that did not end the text.</summary>
    public int Moves => Finished ? _drawn.Count - 1 : _drawn.Count;

    /// <summary>Counter of the next draw.</summary>
    public int Step => firstStep + Moves;

    /// <summary>Biases of the next draw.</summary>
    public int Biases => Moves > 0 && Step >= minTokens ? freeBiases : allBiases;

    public void Draw(int token, bool invalid)
    {
        if (Finished)
            return;
        _drawn.Add(token);
        Finished = invalid || stops.Contains(token) || firstStep + _drawn.Count >= maxTokens;
    }
}
