namespace Steer.Kernels.Tests.Ptx;

/// <summary>
/// The order in which the statements of a kernel lie as operations: blocks by their depth in the tree of post-dominators, deepest first. Where lanes part and those of the lowest
/// place go on, they meet again as soon as all of them must come by a common block, as a card's compiler sees to.
/// </summary>
internal sealed class PtxLayout
{
    private readonly PtxEntry _entry;
    private readonly List<int> _starts = [];
    private readonly int[] _blockOf;

    public PtxLayout(PtxEntry entry)
    {
        _entry = entry;
        var leaders = new SortedSet<int>(entry.Labels.Values) { 0 };
        for (int i = 0; i < entry.Statements.Count; i++)
        {
            if (IsJump(entry.Statements[i]) || IsExit(entry.Statements[i]))
                leaders.Add(i + 1);
        }

        leaders.RemoveWhere(l => l >= entry.Statements.Count);
        _starts.AddRange(leaders);
        _blockOf = new int[entry.Statements.Count];
        for (int b = 0; b < _starts.Count; b++)
        {
            for (int i = _starts[b]; i < End(b); i++)
                _blockOf[i] = b;
        }

        Order = Arrange();
    }

    /// <summary>Statements that become operations, in their order; a jump that is always taken is none.</summary>
    public IReadOnlyList<int> Order { get; }

    /// <summary>Blocks of statements that follow each other.</summary>
    public IEnumerable<(int Start, int End)> Blocks => _starts.Select((s, b) => (s, End(b)));

    /// <summary>The blocks that may follow a block.</summary>
    public IEnumerable<int> Successors(int block)
    {
        PtxStatement last = _entry.Statements[End(block) - 1];
        if (IsJump(last))
            yield return _blockOf[_entry.Labels[last.Operands[0]]];
        if ((!IsJump(last) && !IsExit(last)) || last.Guard is not null)
            yield return block + 1;
    }

    /// <summary>Where a statement leads to that is a jump and always taken; else the statement itself.</summary>
    public int Resolve(int statement)
    {
        for (int steps = 0; IsJump(_entry.Statements[statement]) && _entry.Statements[statement].Guard is null; steps++)
        {
            if (steps > _entry.Statements.Count)
                throw new FormatException($"{_entry.Name}: an endless loop at line {_entry.Statements[statement].Line}.");
            statement = _entry.Labels[_entry.Statements[statement].Operands[0]];
        }

        return statement;
    }

    public static bool IsJump(PtxStatement statement) => statement.Mnemonic is "bra" or "bra.uni";

    public static bool IsExit(PtxStatement statement) => statement.Mnemonic is "ret" or "ret.uni" or "exit";

    private int End(int block) => block + 1 < _starts.Count ? _starts[block + 1] : _entry.Statements.Count;

    private List<int> Arrange()
    {
        int[] depths = PostDominatorDepths();
        var order = new List<int>();
        foreach (int block in Enumerable.Range(0, _starts.Count).OrderByDescending(b => depths[b]).ThenBy(b => b))
        {
            for (int i = _starts[block]; i < End(block); i++)
            {
                if (!IsJump(_entry.Statements[i]) || _entry.Statements[i].Guard is not null)
                    order.Add(i);
            }
        }

        return order;
    }

    // Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm", on the reversed graph, whose root is the end of all exits.
    private int[] PostDominatorDepths()
    {
        int exit = _starts.Count;
        int[][] successors = [.. Enumerable.Range(0, exit).Select(b => Successors(b).Select(s => Math.Min(s, exit)).Concat(Leaves(b) ? [exit] : []).ToArray())];
        var predecessors = new List<int>[exit + 1];
        for (int b = 0; b <= exit; b++)
            predecessors[b] = [];
        for (int b = 0; b < exit; b++)
            Array.ForEach(successors[b], s => predecessors[s].Add(b));
        int[] number = PostOrder(predecessors, exit, out List<int> reversed);
        var parent = new int[exit + 1];
        Array.Fill(parent, -1);
        parent[exit] = exit;
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (int block in reversed)
            {
                int common = -1;
                foreach (int successor in successors[block])
                {
                    if (parent[successor] >= 0)
                        common = common < 0 ? successor : Meet(common, successor);
                }

                changed |= parent[block] != common;
                parent[block] = common;
            }
        }

        // A block from which there is no way to an end has no post-dominator: nothing waits for what never comes.
        var depths = new int[exit + 1];
        Array.Fill(depths, int.MaxValue);
        depths[exit] = 0;
        foreach (int block in reversed)
            depths[block] = depths[parent[block]] + 1;
        return depths;

        int Meet(int a, int b)
        {
            while (a != b)
            {
                while (number[a] < number[b])
                    a = parent[a];
                while (number[b] < number[a])
                    b = parent[b];
            }

            return a;
        }
    }

    private bool Leaves(int block) => IsExit(_entry.Statements[End(block) - 1]);

    // Numbers of blocks in post-order from the end backwards; and the blocks without the end in the opposite order.
    private static int[] PostOrder(List<int>[] predecessors, int exit, out List<int> reversed)
    {
        var number = new int[exit + 1];
        var seen = new bool[exit + 1];
        var order = new List<int>();
        var stack = new Stack<(int Block, int Next)>([(exit, 0)]);
        seen[exit] = true;
        while (stack.TryPop(out (int Block, int Next) top))
        {
            if (top.Next == predecessors[top.Block].Count)
            {
                number[top.Block] = order.Count;
                order.Add(top.Block);
                continue;
            }

            stack.Push((top.Block, top.Next + 1));
            int next = predecessors[top.Block][top.Next];
            if (!seen[next])
            {
                seen[next] = true;
                stack.Push((next, 0));
            }
        }

        order.Reverse();
        reversed = [.. order.Skip(1)];
        return number;
    }
}
