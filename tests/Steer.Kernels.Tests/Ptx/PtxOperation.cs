namespace Steer.Kernels.Tests.Ptx;

/// <summary>What an operation does to the order in which instructions are done.</summary>
internal enum PtxFlow
{
    /// <summary>The next one follows.</summary>
    Straight,

    /// <summary>Lanes whose guard holds go elsewhere.</summary>
    Branch,

    /// <summary>Lanes whose guard holds are done.</summary>
    Exit,

    /// <summary>Lanes wait for others of their warp.</summary>
    Convergent,

    /// <summary>All lanes of a warp together wait for other warps.</summary>
    Barrier,
}

/// <summary>
/// An instruction ready to be done for all lanes of a warp at once. Operands are units of the warp's frame; which of them it reads and writes is noted, so that the
/// warp finds out what reads a register that nothing was written to.
/// </summary>
internal abstract class PtxOperation(PtxStatement statement, PtxFrame frame)
{
    /// <summary>The text.</summary>
    public PtxStatement Statement { get; } = statement;

    /// <summary>Unit of the predicate under which it is done.</summary>
    public int Guard { get; } = statement.Guard is null ? PtxFrame.None : frame.Unit(statement.Guard, 1);

    /// <summary>All bits where the guard has to be false.</summary>
    public uint GuardFlip { get; } = statement.Guard is null || statement.GuardNegated ? uint.MaxValue : 0;

    /// <summary>What it does to the order of instructions.</summary>
    public virtual PtxFlow Flow => PtxFlow.Straight;

    /// <summary>The operation that follows.</summary>
    public int Next { get; set; }

    /// <summary>Where a branch goes.</summary>
    public int Target { get; set; }

    /// <summary>Units that it reads.</summary>
    public int[] Reads { get; private set; } = [];

    /// <summary>Units that it writes.</summary>
    public int[] Writes { get; private set; } = [];

    /// <summary>Does it for the active lanes of a warp.</summary>
    public abstract void Execute(PtxWarp warp);

    /// <summary>An operand that is read, of so many bytes.</summary>
    protected int Source(int index, int bytes) => Read(Statement.Operands[index], bytes);

    /// <summary>A register that is written, of so many bytes.</summary>
    protected int Destination(int index, int bytes) => Write(Statement.Operands[index], bytes);

    /// <summary>The elements of a vector that is read.</summary>
    protected int[] Sources(int index, int bytes) => [.. PtxStatement.Elements(Statement.Operands[index]).Select(e => Read(e, bytes))];

    /// <summary>The elements of a vector that is written; '_' is one that nobody wants.</summary>
    protected int[] Destinations(int index, int bytes) =>
        [.. PtxStatement.Elements(Statement.Operands[index]).Select(e => Write(e == "_" ? $"%sink{bytes}" : e, bytes))];

    /// <summary>A predicate operand, which may be negated: its unit and the bits to flip.</summary>
    protected (int Unit, uint Flip) Predicate(int index)
    {
        string operand = Statement.Operands[index];
        return operand.StartsWith('!') ? (Read(operand[1..], 1), uint.MaxValue) : (Read(operand, 1), 0);
    }

    protected int Read(string operand, int bytes)
    {
        int unit = frame.Unit(operand, bytes);
        Reads = [.. Reads, unit];
        return unit;
    }

    protected int Write(string operand, int bytes)
    {
        int unit = frame.Unit(operand, bytes);
        Writes = [.. Writes, unit];
        return unit;
    }
}
