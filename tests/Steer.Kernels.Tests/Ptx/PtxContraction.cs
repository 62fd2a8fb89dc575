namespace Steer.Kernels.Tests.Ptx;

/// <summary>
/// Sums of products as a card makes them: PTX lets its compiler round mul and add once where neither says how it rounds ("Floating Point Instructions: add, sub, mul"), and so does
/// ptxas where every use of the product is a sum in the same run of instructions. Of two products in a sum it is the first that is not rounded. Two places that compute the same may
/// so get different bits, on a card and here.
/// </summary>
internal sealed class PtxContraction
{
    private readonly PtxOperation[] _operations;
    private readonly PtxDecoder _decoder;
    private readonly Dictionary<int, int> _products = [];
    private readonly List<int[]> _runs = [];

    private PtxContraction(PtxOperation[] operations, PtxDecoder decoder)
    {
        _operations = operations;
        _decoder = decoder;
        foreach (PtxOperation operation in operations.Where(IsProduct))
            _products.TryAdd(operation.Writes[0], _products.Count);
    }

    /// <summary>Puts fused operations in the place of sums.</summary>
    /// <param name="operations">All operations of a kernel.</param>
    /// <param name="entry">The first of them.</param>
    /// <param name="decoder">Makes operations.</param>
    public static void Apply(PtxOperation[] operations, int entry, PtxDecoder decoder)
    {
        var contraction = new PtxContraction(operations, decoder);
        contraction.FindRuns(entry);
        contraction.Fuse();
    }

    private static bool IsProduct(PtxOperation operation) => operation.Statement is { Guard: null, Mnemonic: "mul.f32" or "mul.f64" };

    private static bool IsSum(PtxOperation operation) => operation.Statement is { Guard: null, Mnemonic: "add.f32" or "sub.f32" or "add.f64" or "sub.f64" };

    private static IEnumerable<int> Successors(PtxOperation operation) => operation.Flow switch
    {
        PtxFlow.Branch when operation.Statement.Guard is null => [operation.Target],
        PtxFlow.Branch => [operation.Target, operation.Next],
        PtxFlow.Exit when operation.Statement.Guard is null => [],
        _ => [operation.Next],
    };

    // Operations that follow each other, come what may.
    private void FindRuns(int entry)
    {
        var entries = new int[_operations.Length];
        entries[entry] = 2;
        foreach (PtxOperation operation in _operations)
        {
            foreach (int next in Successors(operation))
                entries[next] += operation.Flow is PtxFlow.Branch or PtxFlow.Exit ? 2 : 1;
        }

        for (int start = 0; start < _operations.Length; start++)
        {
            if (entries[start] == 1)
                continue;
            var run = new List<int>();
            for (int at = start; ; at = _operations[at].Next)
            {
                run.Add(at);
                if (_operations[at].Flow is PtxFlow.Branch or PtxFlow.Exit || entries[_operations[at].Next] != 1)
                    break;
            }

            _runs.Add([.. run]);
        }
    }

    // Whether what a unit holds at the end of a run is read behind it.
    private bool[][] LiveOut()
    {
        var runOf = new Dictionary<int, int>();
        for (int r = 0; r < _runs.Count; r++)
            runOf.Add(_runs[r][0], r);
        bool[][] liveIn = [.. _runs.Select(_ => new bool[_products.Count])], liveOut = [.. _runs.Select(_ => new bool[_products.Count])];
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int r = _runs.Count - 1; r >= 0; r--)
            {
                foreach (int next in Successors(_operations[_runs[r][^1]]))
                {
                    for (int p = 0; p < _products.Count; p++)
                        liveOut[r][p] |= liveIn[runOf[next]][p];
                }

                bool[] live = [.. liveOut[r]];
                foreach (int at in _runs[r].Reverse())
                {
                    PtxOperation operation = _operations[at];
                    if (operation.Statement.Guard is null)
                        Mark(operation.Writes, live, false);
                    Mark(operation.Reads, live, true);
                }

                changed |= !live.AsSpan().SequenceEqual(liveIn[r]);
                liveIn[r] = live;
            }
        }

        return liveOut;
    }

    private void Mark(int[] units, bool[] live, bool value)
    {
        foreach (int unit in units)
        {
            if (_products.TryGetValue(unit, out int product))
                live[product] = value;
        }
    }

    private void Fuse()
    {
        bool[][] liveOut = LiveOut();
        for (int r = 0; r < _runs.Count; r++)
        {
            var productOf = new Dictionary<(int Sum, int Unit), PtxOperation>();
            for (int i = 0; i < _runs[r].Length; i++)
            {
                PtxOperation product = _operations[_runs[r][i]];
                if (!IsProduct(product))
                    continue;
                foreach (int sum in OnlySums(_runs[r], i, liveOut[r]))
                    productOf[(sum, product.Writes[0])] = product;
            }

            foreach (int at in _runs[r])
            {
                PtxOperation sum = _operations[at];
                if (IsSum(sum) && productOf.TryGetValue((at, sum.Reads[0]), out PtxOperation? first))
                    Replace(at, first, sum.Statement.Mnemonic[..3] == "add" ? "fma.rn" : "fms.rn", sum.Statement.Operands[2]);
                else if (IsSum(sum) && productOf.TryGetValue((at, sum.Reads[1]), out PtxOperation? second))
                    Replace(at, second, sum.Statement.Mnemonic[..3] == "add" ? "fma.rn" : "fnma.rn", sum.Statement.Operands[1]);
            }
        }
    }

    // The sums that use a product, where nothing else does and its factors are still there.
    private List<int> OnlySums(int[] run, int from, bool[] liveOut)
    {
        PtxOperation product = _operations[run[from]];
        int unit = product.Writes[0];
        var sums = new List<int>();
        bool factorsGone = product.Reads.Contains(unit);
        for (int i = from + 1; i < run.Length; i++)
        {
            PtxOperation operation = _operations[run[i]];
            int uses = operation.Reads.Count(u => u == unit);
            if (uses > 1 || (uses == 1 && (factorsGone || !IsSum(operation) || operation.Statement.Mnemonic[4..] != product.Statement.Mnemonic[4..])))
                return [];
            if (uses == 1)
                sums.Add(run[i]);
            if (operation.Writes.Contains(unit) && operation.Statement.Guard is null)
                return sums;
            factorsGone |= operation.Writes.Intersect(product.Reads).Any();
        }

        return liveOut[_products[unit]] ? [] : sums;
    }

    private void Replace(int at, PtxOperation product, string fused, string other)
    {
        PtxOperation sum = _operations[at];
        string type = sum.Statement.Mnemonic[4..];
        PtxOperation operation = _decoder.Decode(sum.Statement with
        {
            Mnemonic = $"{fused}.{type}",
            Operands = [sum.Statement.Operands[0], product.Statement.Operands[1], product.Statement.Operands[2], other],
        });
        (operation.Next, operation.Target) = (sum.Next, sum.Target);
        _operations[at] = operation;
    }
}
