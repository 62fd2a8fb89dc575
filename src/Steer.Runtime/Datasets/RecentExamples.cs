namespace Steer.Runtime.Datasets;

/// <summary>The last examples, and how diverse they are beside real ones.</summary>
/// <param name="real">Real examples.</param>
internal sealed class RecentExamples(IReadOnlyList<string> real)
{
    private const int Window = 500;
    private const int Shown = 3;

    private readonly Queue<string> _texts = new();
    private int _measuredOf;
    private double? _realDiversity;

    /// <summary>The newest texts.</summary>
    public IReadOnlyList<string> Last => [.. _texts.Skip(Math.Max(0, _texts.Count - Shown))];

    public void Add(string text)
    {
        _texts.Enqueue(text);
        if (_texts.Count > Window)
            _texts.Dequeue();
    }

    /// <summary>Diversity of the window and of as many real examples.</summary>
    public (double? Recent, double? Real) Diversity()
    {
        if (_texts.Count == 0)
            return (null, null);
        double recent = DiversityOf(_texts);
        int compared = Math.Min(_texts.Count, real.Count);
        if (compared > 0 && compared != _measuredOf)
            (_realDiversity, _measuredOf) = (DiversityOf(real.Take(compared)), compared);
        return (recent, _realDiversity);
    }

    /// <summary>Product over n = 2, 3, 4 of distinct over all n-grams of words, over all texts together.</summary>
    internal static double DiversityOf(IEnumerable<string> texts)
    {
        ulong[][] words = [.. texts.Select(TextWords.Of)];
        double product = 1;
        for (int n = 2; n <= 4; n++)
        {
            var distinct = new HashSet<(ulong, ulong, ulong, ulong)>();
            long total = 0;
            foreach (ulong[] text in words)
            {
                for (int i = 0; i + n <= text.Length; i++, total++)
                    distinct.Add((text[i], text[i + 1], n > 2 ? text[i + 2] : 0, n > 3 ? text[i + 3] : 0));
            }

            product *= total == 0 ? 0 : (double)distinct.Count / total;
        }

        return product;
    }
}
