namespace Steer.Runtime.Sweeps;

/// <summary>The texts of one cell.</summary>
/// <param name="cell">What they are made with.</param>
public sealed class SweepCellTexts(SweepCell cell)
{
    private readonly List<SweepText> _texts = [];
    private double _entropy;
    private double _logPerplexity;

    /// <summary>What they are made with.</summary>
    public SweepCell Cell { get; } = cell;

    /// <summary>The texts, in the order of their ids.</summary>
    public IReadOnlyList<SweepText> Texts => _texts;

    /// <summary>Generated tokens of all texts.</summary>
    public long Tokens { get; private set; }

    /// <summary>Mean over all tokens of the entropy of the distribution that each was drawn from, in nats.</summary>
    public double Entropy => Tokens == 0 ? 0 : _entropy / Tokens;

    /// <summary>exp of the mean over all tokens of the negative log-probability under the expert; null where it is not finite.</summary>
    public double? Perplexity => Tokens > 0 && double.IsFinite(_logPerplexity) ? Math.Exp(_logPerplexity / Tokens) : null;

    internal void Add(SweepText text)
    {
        _texts.Add(text);
        Tokens += text.Tokens;
        _entropy += text.Entropy * text.Tokens;
        _logPerplexity += text.Perplexity is { } perplexity ? Math.Log(perplexity) * text.Tokens : double.PositiveInfinity;
    }
}
