using Steer.Runtime.Guidance;

namespace Steer.Runtime.Sweeps;

/// <summary>
/// How far a sweep is, which follows from its lines alone. It goes in stages: first the cells and the controls that need no measurement, then, for as
/// long as a search for a temperature is open, the temperatures that all searches want next. A stage goes through its items, and for each item
/// through its cells, so that cells that share negatives share their keys and values.
/// </summary>
internal sealed class SweepState
{
    private readonly SweepConfig _config;
    private readonly Dictionary<SweepCell, SweepCellTexts> _texts = [];

    public SweepState(SweepConfig config)
    {
        _config = config;
        Cells = [.. config.Cells.Select(c => c.Normalized()).Distinct()];
        IEnumerable<SweepCell> controls = config.Controls
            ? Cells.SelectMany(c => new[] { SweepControls.MaskAlone(c), SweepControls.SumToOne(c) }).OfType<SweepCell>()
            : [];
        SweepCell[] start = config.MatchEntropy ? [SweepControls.Plain(alpha: 0, temperature: 1)] : [];
        Compared = [.. Cells.Concat(controls).Distinct()];
        Begin([.. Compared.Concat(start).Distinct()]);
    }

    /// <summary>The cells asked for.</summary>
    public IReadOnlyList<SweepCell> Cells { get; }

    /// <summary>The cells asked for and their controls without a search: what is compared at equal entropy.</summary>
    public IReadOnlyList<SweepCell> Compared { get; }

    /// <summary>The current stage, from 0.</summary>
    public int Stage { get; private set; } = -1;

    /// <summary>Its cells; none where the sweep is done.</summary>
    public IReadOnlyList<SweepCell> StageCells { get; private set; } = [];

    /// <summary>Texts of the stage that are made.</summary>
    public int Made { get; private set; }

    /// <summary>Texts of the stage.</summary>
    public int StageTexts => StageCells.Count * _config.PerCell;

    public bool Done => StageCells.Count == 0;

    /// <summary>Texts of all stages that are made.</summary>
    public int Texts { get; private set; }

    public long Tokens { get; private set; }

    /// <summary>Searches for a temperature that are open.</summary>
    public int OpenSearches { get; private set; }

    /// <summary>The texts made, by cell.</summary>
    public IReadOnlyDictionary<SweepCell, SweepCellTexts> TextsOf => _texts;

    /// <summary>Cell and item of a place in the stage.</summary>
    public (SweepCell Cell, int Id) At(int place) => (StageCells[place % StageCells.Count], place / StageCells.Count);

    /// <summary>Takes in the next text.</summary>
    public void Add(SweepText text)
    {
        _texts[At(Made).Cell].Add(text);
        Texts++;
        Tokens += text.Tokens;
        if (++Made == StageTexts)
            Begin(Wanted());
    }

    /// <summary>The expert alone at the temperature whose entropy is nearest a cell's; null where none was searched for.</summary>
    public SweepCell? Matched(SweepCell cell, float alpha) =>
        _config.MatchEntropy && TemperatureSearch.Nearest(Measured(alpha), _texts[cell].Entropy) is { } temperature
        ? SweepControls.Plain(alpha, temperature)
        : null;

    private void Begin(IReadOnlyList<SweepCell> cells)
    {
        Stage++;
        Made = 0;
        StageCells = cells;
        foreach (var cell in cells)
            _texts.Add(cell, new SweepCellTexts(cell));
    }

    /// <summary>The temperatures that open searches want next.</summary>
    private SweepCell[] Wanted()
    {
        if (!_config.MatchEntropy)
            return [];
        // Temperatures beside a spent bracket come last: by then other searches may have measured one that matches.
        SweepCell[] wanted = Wanted(TemperatureSearch.Next);
        if (wanted.Length == 0)
            wanted = Wanted(TemperatureSearch.NextBeside);
        OpenSearches = wanted.Length;
        return [.. wanted.Distinct()];
    }

    private SweepCell[] Wanted(Func<IReadOnlyDictionary<float, double>, double, double, float?> search) =>
    [
        .. from cell in Compared
           from alpha in SweepControls.MatchedMasks(cell)
           let next = search(Measured(alpha), _texts[cell].Entropy, _config.EntropyTolerance)
           where next is not null
           select SweepControls.Plain(alpha, next.Value),
    ];

    private Dictionary<float, double> Measured(float alpha) => _texts.Values
        .Where(t => t.Cell.Preset == GuidancePreset.Plain && t.Cell.Alpha == alpha && t.Texts.Count == _config.PerCell)
        .ToDictionary(t => t.Cell.Temperature, t => t.Entropy);
}
