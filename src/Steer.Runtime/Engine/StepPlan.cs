namespace Steer.Runtime.Engine;

/// <summary>Positions of one context that a step computes.</summary>
/// <param name="Context">Whose.</param>
/// <param name="Start">First position.</param>
/// <param name="Count">Number of positions.</param>
/// <param name="Logits">How many of the last of them give logits.</param>
/// <param name="Draw">Place in <see cref="StepPlan.Draws"/>; -1 where nothing is drawn.</param>
internal readonly record struct ScheduledRows(Context Context, int Start, int Count, int Logits, int Draw);

/// <summary>A sequence that draws tokens in a step: one, or several where they are known beforehand (a text that is scored).</summary>
/// <param name="Sequence">Whose.</param>
/// <param name="Draws">Tokens drawn in each step.</param>
internal readonly record struct ScheduledDraw(Sequence Sequence, int Draws);

/// <summary>What one step does, or several that follow each other on the device without waiting for the host.</summary>
internal sealed class StepPlan
{
    /// <summary>
    /// Forward passes. Where there are several, each computes one row of every context and draws one token for every sequence that has not ended.
    /// </summary>
    public int Steps { get; set; } = 1;

    public List<ScheduledRows> Rows { get; } = [];

    /// <summary>Sequences that draw.</summary>
    public List<ScheduledDraw> Draws { get; } = [];

    /// <summary>Sequences that gave their cache back.</summary>
    public List<Sequence> Preempted { get; } = [];

    /// <summary>Rows that belong to prompts, as opposed to drawn tokens.</summary>
    public int PrefillRows { get; set; }

    public void Clear()
    {
        Rows.Clear();
        Draws.Clear();
        Preempted.Clear();
        PrefillRows = 0;
        Steps = 1;
    }
}

/// <summary>How much a step may hold.</summary>
/// <param name="MaxSequences">Sequences that run at once.</param>
/// <param name="MaxRows">Rows of one decoder's forward pass.</param>
/// <param name="MaxContexts">Contexts of one decoder's forward pass; also rows of logits of all decoders.</param>
/// <param name="MaxSteps">Decode steps that are queued before the host looks at what they gave.</param>
internal readonly record struct StepLimits(int MaxSequences, int MaxRows, int MaxContexts, int MaxSteps = 1);
