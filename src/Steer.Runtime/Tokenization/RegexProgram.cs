namespace Steer.Runtime.Tokenization;

/// <summary>What an instruction of a compiled expression does.</summary>
internal enum RegexOp
{
    /// <summary>The expression matches.</summary>
    Match,

    /// <summary>Takes one character of Set.</summary>
    Set,

    /// <summary>Takes Min to Max characters of Set: as many as there are, fewer if the rest fails.</summary>
    GreedyRun,

    /// <summary>The same, never fewer.</summary>
    PossessiveRun,

    /// <summary>Goes on behind this instruction, or at Target if that fails.</summary>
    Split,

    /// <summary>Goes on at Target, or behind this instruction if that fails.</summary>
    SplitToTarget,

    /// <summary>Goes on at Target.</summary>
    Jump,

    /// <summary>Notes in register Min where a round of a loop begins.</summary>
    BeginRound,

    /// <summary>Leaves the loop, to Target, if its round took no text; else goes on.</summary>
    EndRound,

    /// <summary>Takes what the instructions up to Target match first.</summary>
    Atomic,

    /// <summary>Fails unless the instructions up to Target match here; takes nothing.</summary>
    LookAhead,

    /// <summary>Fails if they do.</summary>
    NotAhead,

    /// <summary>Fails unless the instructions up to Target match from Min characters before here; takes nothing.</summary>
    LookBehind,

    /// <summary>Fails if they do.</summary>
    NotBehind,

    /// <summary>Fails unless Place is here.</summary>
    Anchor,
}

/// <summary>One instruction; which fields it has is told by <see cref="RegexOp"/>.</summary>
internal readonly record struct RegexInstruction(
    RegexOp Op, CodePointSet? Set = null, int Min = 0, int Max = 0, int Target = 0, Anchor Place = default);

/// <summary>A regular expression as a list of instructions for <see cref="RegexMatcher"/>.</summary>
internal sealed class RegexProgram
{
    private const int MaxInstructions = 10_000;

    private readonly List<RegexInstruction> _code = [];

    private RegexProgram(RegexNode node)
    {
        Emit(node);
        Add(new RegexInstruction(RegexOp.Match));
        Code = [.. _code];
    }

    /// <summary>The instructions; the last one is <see cref="RegexOp.Match"/>.</summary>
    public RegexInstruction[] Code { get; }

    /// <summary>How many registers the loops need.</summary>
    public int Registers { get; private set; }

    /// <summary>Compiles an expression.</summary>
    /// <exception cref="FormatException">It is too large, or looks behind for texts of no fixed length.</exception>
    public static RegexProgram Compile(RegexNode node) => new(node);

    private void Emit(RegexNode node)
    {
        switch (node)
        {
            case SetNode set:
                Add(new RegexInstruction(RegexOp.Set, set.Set));
                break;
            case SequenceNode sequence:
                foreach (var item in sequence.Items)
                    Emit(item);
                break;
            case AlternativesNode alternatives:
                EmitAlternatives(alternatives.Items);
                break;
            case RepeatNode repeat:
                EmitRepeat(repeat);
                break;
            case AtomicNode atomic:
                EmitEnclosed(RegexOp.Atomic, atomic.Item);
                break;
            case LookNode { Behind: false } look:
                EmitEnclosed(look.Negative ? RegexOp.NotAhead : RegexOp.LookAhead, look.Item);
                break;
            case LookNode look:
                EmitLookBehind(look);
                break;
            case AnchorNode anchor:
                Add(new RegexInstruction(RegexOp.Anchor, Place: anchor.Anchor));
                break;
        }
    }

    private void EmitAlternatives(IReadOnlyList<RegexNode> items)
    {
        var toEnd = new List<int>();
        for (var i = 0; i < items.Count - 1; i++)
        {
            var split = Add(new RegexInstruction(RegexOp.Split));
            Emit(items[i]);
            toEnd.Add(Add(new RegexInstruction(RegexOp.Jump)));
            SetTarget(split);
        }

        Emit(items[^1]);
        toEnd.ForEach(SetTarget);
    }

    private void EmitRepeat(RepeatNode repeat)
    {
        if (repeat.Item is SetNode { Set: var set } && repeat.Kind != RepeatKind.Lazy)
        {
            var op = repeat.Kind == RepeatKind.Possessive ? RegexOp.PossessiveRun : RegexOp.GreedyRun;
            Add(new RegexInstruction(op, set, repeat.Min, repeat.Max));
            return;
        }

        if (repeat.Kind == RepeatKind.Possessive)
        {
            EmitEnclosed(RegexOp.Atomic, repeat with { Kind = RepeatKind.Greedy });
            return;
        }

        for (var i = 0; i < repeat.Min; i++)
        {
            var before = _code.Count;
            Emit(repeat.Item);
            if (_code.Count == before)
                break; // nothing, however often
        }

        var split = repeat.Kind == RepeatKind.Lazy ? RegexOp.SplitToTarget : RegexOp.Split;
        if (repeat.Max == int.MaxValue)
        {
            var register = Registers++;
            var begin = Add(new RegexInstruction(split));
            Add(new RegexInstruction(RegexOp.BeginRound, Min: register));
            Emit(repeat.Item);
            var end = Add(new RegexInstruction(RegexOp.EndRound, Min: register));
            Add(new RegexInstruction(RegexOp.Jump, Target: begin));
            SetTarget(begin);
            SetTarget(end);
            return;
        }

        var splits = new List<int>();
        for (var i = repeat.Min; i < repeat.Max; i++)
        {
            splits.Add(Add(new RegexInstruction(split)));
            Emit(repeat.Item);
        }

        splits.ForEach(SetTarget);
    }

    private void EmitEnclosed(RegexOp op, RegexNode node, int length = 0)
    {
        var begin = Add(new RegexInstruction(op, Min: length));
        Emit(node);
        Add(new RegexInstruction(RegexOp.Match));
        SetTarget(begin);
    }

    /// <summary>Alternatives may differ in length, so each is looked for by itself.</summary>
    private void EmitLookBehind(LookNode look)
    {
        if (look.Item is not AlternativesNode alternatives)
        {
            EmitEnclosed(look.Negative ? RegexOp.NotBehind : RegexOp.LookBehind, look.Item, (int)FixedLength(look.Item));
            return;
        }

        var looks = alternatives.Items.Select(item => look with { Item = item }).ToList();
        Emit(look.Negative ? new SequenceNode(looks) : new AlternativesNode(looks));
    }

    /// <summary>Characters that a node takes, if it always takes the same number.</summary>
    private static long FixedLength(RegexNode node)
    {
        var length = node switch
        {
            SetNode => 1,
            SequenceNode sequence => sequence.Items.Sum(FixedLength),
            AlternativesNode alternatives when alternatives.Items.Select(FixedLength).Distinct().ToList() is [var only] => only,
            RepeatNode repeat when repeat.Min == repeat.Max => repeat.Min * FixedLength(repeat.Item),
            AtomicNode atomic => FixedLength(atomic.Item),
            LookNode or AnchorNode => 0,
            _ => MaxInstructions,
        };
        return length < MaxInstructions ? length : throw new FormatException("a look behind for texts of no fixed length");
    }

    private int Add(RegexInstruction instruction)
    {
        if (_code.Count == MaxInstructions)
            throw new FormatException($"repetitions that make it too large (more than {MaxInstructions} instructions)");
        _code.Add(instruction);
        return _code.Count - 1;
    }

    private void SetTarget(int at) => _code[at] = _code[at] with { Target = _code.Count };
}
