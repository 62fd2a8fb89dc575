using System.Buffers;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Runs a <see cref="RegexProgram"/> on a text, by backtracking with a stack of its own. Unlike .NET's expressions it sees characters, not UTF-16
/// units, an expression from a file can not overflow the thread's stack, and how long it may take is a number of steps rather than a time.
/// </summary>
internal ref struct RegexMatcher
{
    private readonly ReadOnlySpan<char> _text;
    private readonly RegexInstruction[] _code;
    private readonly int[] _registers;
    private Frame[] _stack = [];
    private int _count;
    private long _steps;

    /// <summary>Prepares to match in a text of well-formed UTF-16.</summary>
    public RegexMatcher(RegexProgram program, ReadOnlySpan<char> text)
    {
        (_code, _registers) = (program.Code, program.Registers == 0 ? [] : new int[program.Registers]);
        _text = text;
        _steps = 1_000_000 + (1_000L * text.Length);
    }

    /// <summary>Where the match that begins at a place ends, or -1.</summary>
    /// <exception cref="InvalidDataException">All matches on this text together take too many steps.</exception>
    public int Match(int start)
    {
        // Most places are no start: told by the first instruction alone.
        var first = _code[0];
        if (first is { Op: RegexOp.Set } or { Op: RegexOp.GreedyRun or RegexOp.PossessiveRun, Min: > 0 }
            && (start == _text.Length || !first.Set!.Contains(At(start, out _))))
            return -1;
        return Run(0, start);
    }

    /// <summary>Units of the character at a place.</summary>
    public readonly int Width(int at) => char.IsHighSurrogate(_text[at]) ? 2 : 1;

    /// <summary>Gives the stack back.</summary>
    public readonly void Dispose()
    {
        if (_stack.Length > 0)
            ArrayPool<Frame>.Shared.Return(_stack);
    }

    private int Run(int pc, int at)
    {
        var bottom = _count;
        while (true)
        {
            if (--_steps < 0)
                throw new InvalidDataException("takes too many steps");
            ref readonly var instruction = ref _code[pc];
            var goesOn = true;
            switch (instruction.Op)
            {
                case RegexOp.Match:
                    _count = bottom;
                    return at;
                case RegexOp.Set:
                    goesOn = at < _text.Length && instruction.Set!.Contains(At(at, out var width));
                    if (goesOn)
                        (at, pc) = (at + Width(at), pc + 1);
                    break;
                case RegexOp.GreedyRun or RegexOp.PossessiveRun:
                    goesOn = TakeRun(instruction, ref at, out var fewest);
                    pc++;
                    if (goesOn && at > fewest && instruction.Op == RegexOp.GreedyRun)
                        Push(new Frame(pc, at, fewest));
                    break;
                case RegexOp.Split:
                    Push(new Frame(instruction.Target, at, Frame.Branch));
                    pc++;
                    break;
                case RegexOp.SplitToTarget:
                    Push(new Frame(pc + 1, at, Frame.Branch));
                    pc = instruction.Target;
                    break;
                case RegexOp.Jump:
                    pc = instruction.Target;
                    break;
                case RegexOp.BeginRound:
                    Push(new Frame(~instruction.Min, _registers[instruction.Min], 0));
                    _registers[instruction.Min] = at;
                    pc++;
                    break;
                case RegexOp.EndRound:
                    pc = _registers[instruction.Min] == at ? instruction.Target : pc + 1;
                    break;
                case RegexOp.Atomic:
                    var end = Run(pc + 1, at);
                    goesOn = end >= 0;
                    (at, pc) = (end, instruction.Target);
                    break;
                case RegexOp.LookAhead or RegexOp.NotAhead:
                    goesOn = Run(pc + 1, at) >= 0 == (instruction.Op == RegexOp.LookAhead);
                    pc = instruction.Target;
                    break;
                case RegexOp.LookBehind or RegexOp.NotBehind:
                    goesOn = IsBehind(pc, at) == (instruction.Op == RegexOp.LookBehind);
                    pc = instruction.Target;
                    break;
                case RegexOp.Anchor:
                    goesOn = IsAt(instruction.Place, at);
                    pc++;
                    break;
            }

            if (!goesOn && !Backtrack(bottom, ref pc, ref at))
                return -1;
        }
    }

    /// <summary>Takes the newest way that was left open above the bottom of the stack.</summary>
    private bool Backtrack(int bottom, ref int pc, ref int at)
    {
        while (_count > bottom)
        {
            var frame = _stack[--_count];
            if (frame.Pc < 0)
            {
                _registers[~frame.Pc] = frame.At;
                continue;
            }

            (pc, at) = (frame.Pc, frame.At);
            if (frame.Fewest == Frame.Branch)
                return true;
            at -= char.IsLowSurrogate(_text[at - 1]) ? 2 : 1;
            if (at > frame.Fewest)
                Push(frame with { At = at });
            return true;
        }

        return false;
    }

    private bool TakeRun(in RegexInstruction run, ref int at, out int fewest)
    {
        var set = run.Set!;
        var start = at;
        var taken = 0;
        fewest = at;
        while (taken < run.Max && at < _text.Length && set.Contains(At(at, out var width)))
        {
            at += width;
            if (++taken == run.Min)
                fewest = at;
        }

        _steps -= at - start;
        return taken >= run.Min;
    }

    private bool IsBehind(int pc, int at)
    {
        var start = at;
        for (var i = 0; i < _code[pc].Min; i++)
        {
            if (start == 0)
                return false;
            start -= char.IsLowSurrogate(_text[start - 1]) ? 2 : 1;
        }

        return Run(pc + 1, start) == at;
    }

    private readonly bool IsAt(Anchor place, int at) => place switch
    {
        Anchor.TextStart => at == 0,
        Anchor.TextEnd => at == _text.Length,
        Anchor.LastLineEnd => at == _text.Length || (at == _text.Length - 1 && _text[at] == '\n'),
        Anchor.LineStart => at == 0 || (_text[at - 1] == '\n' && at < _text.Length),
        Anchor.LineEnd => at == _text.Length || _text[at] == '\n',
        Anchor.WordBoundary => IsWordBefore(at) != IsWordAt(at),
        _ => IsWordBefore(at) == IsWordAt(at),
    };

    private readonly bool IsWordAt(int at) => at < _text.Length && UnicodeProperties.Word.Contains(At(at, out _));

    private readonly bool IsWordBefore(int at) =>
        Rune.DecodeLastFromUtf16(_text[..at], out var rune, out _) == OperationStatus.Done && UnicodeProperties.Word.Contains(rune.Value);

    private readonly int At(int at, out int width)
    {
        var c = _text[at];
        if (!char.IsHighSurrogate(c) || at + 1 == _text.Length)
        {
            width = 1;
            return c;
        }

        width = 2;
        return char.ConvertToUtf32(c, _text[at + 1]);
    }

    private void Push(Frame frame)
    {
        if (_count == _stack.Length)
        {
            var larger = ArrayPool<Frame>.Shared.Rent(Math.Max(64, _count * 2));
            _stack.AsSpan(0, _count).CopyTo(larger);
            Dispose();
            _stack = larger;
        }

        _stack[_count++] = frame;
    }

    /// <summary>
    /// A way left open: at a branch, or in a run that may give characters back down to Fewest; or (Pc below 0) a register's value before.
    /// </summary>
    private readonly record struct Frame(int Pc, int At, int Fewest)
    {
        public const int Branch = -1;
    }
}
