namespace Steer.Runtime.Grammars;

/// <summary>
/// A deterministic automaton that is written out: what expressions cannot say, such as both of two languages, or the multiples of a number. From each
/// of its states a text can be completed.
/// </summary>
internal sealed class ByteDfa
{
    // Of all states of two expressions that are combined. A state costs as much time as it has members: 2^14 states of a pattern with repetitions in
    // repetitions take half a minute.
    private const long MaxMembers = 1 << 19;

    private readonly (int Set, int Target)[][] _transitions;
    private readonly bool[] _accepts;

    private ByteDfa((int Set, int Target)[][] transitions, bool[] accepts)
    {
        _transitions = transitions;
        _accepts = accepts;
    }

    /// <summary>Whether the text may end in a state.</summary>
    public bool Accepts(int state) => _accepts[state];

    /// <summary>Where the bytes of each set lead from a state; no byte is in two of them.</summary>
    public ReadOnlySpan<(int Set, int Target)> From(int state) => _transitions[state];

    /// <summary>
    /// Writes out an automaton whose states are found from its start on, and gives the expression of what it accepts.
    /// </summary>
    /// <param name="terms">Where the expression is made.</param>
    /// <param name="start">The start.</param>
    /// <param name="next">Where a byte of each set leads; no byte may be in two of them.</param>
    /// <param name="accepts">Whether the text may end in a state.</param>
    /// <param name="maxStates">Most states.</param>
    /// <param name="isTooLarge">Asked before each state whether to give up; null for never.</param>
    /// <returns>The expression; null if there are more states, or it was given up.</returns>
    public static int? TryBuild<T>(
        ByteTerms terms, T start, Func<T, IEnumerable<(ByteSet Set, T Target)>> next, Func<T, bool> accepts, int maxStates,
        Func<bool>? isTooLarge = null)
        where T : notnull
    {
        var ids = new Dictionary<T, int> { [start] = 0 };
        var states = new List<T> { start };
        var found = new List<Dictionary<int, ByteSet>>();
        for (var i = 0; i < states.Count; i++)
        {
            if (isTooLarge?.Invoke() == true)
                return null;
            var byTarget = new Dictionary<int, ByteSet>();
            foreach (var (bytes, target) in next(states[i]))
            {
                var set = bytes & terms.Alphabet;
                if (set.IsEmpty)
                    continue;
                if (!ids.TryGetValue(target, out var id))
                {
                    ids.Add(target, id = states.Count);
                    states.Add(target);
                    if (states.Count > maxStates)
                        return null;
                }

                byTarget[id] = byTarget.GetValueOrDefault(id) | set;
            }

            found.Add(byTarget);
        }

        var ends = states.Select(accepts).ToArray();
        var live = Live(found, ends);
        if (!live[0])
            return ByteTerms.Nothing;
        var transitions = found
            .Select(byTarget => byTarget
                .Where(pair => live[pair.Key])
                .Select(pair => (terms.Sets.IdOf(pair.Value), pair.Key))
                .ToArray())
            .ToArray();
        return terms.Automaton(new ByteDfa(transitions, ends));
    }

    /// <summary>The expression of the texts that fit both; null if its automaton has more than so many states, or large ones.</summary>
    public static int? TryIntersect(ByteTerms terms, int a, int b, int maxStates)
    {
        if (a == b || a == ByteTerms.Nothing || b == ByteTerms.Nothing)
            return Math.Min(a, b);
        return TryCombine(terms, a, b, without: false, maxStates);
    }

    /// <summary>The expression of the texts that fit the first and not the second; null likewise.</summary>
    public static int? TrySubtract(ByteTerms terms, int a, int b, int maxStates)
    {
        if (a == b || a == ByteTerms.Nothing || b == ByteTerms.Nothing)
            return a == b ? ByteTerms.Nothing : a;
        return TryCombine(terms, a, b, without: true, maxStates);
    }

    private static int? TryCombine(ByteTerms terms, int a, int b, bool without, int maxStates)
    {
        var (left, right) = (new GrammarStates(terms, a), new GrammarStates(terms, b));
        var sets = left.ClassSets();
        return TryBuild(
            terms, (left.Start, right.Start), Next, Accepts, maxStates, () => left.MemberCount + right.MemberCount > MaxMembers);

        IEnumerable<(ByteSet Set, (int Left, int Right) Target)> Next((int Left, int Right) pair)
        {
            var leftRow = left.Row(pair.Left);
            var rightRow = pair.Right >= 0 ? right.Row(pair.Right) : null;
            for (var c = 0; c < sets.Length; c++)
            {
                var target = rightRow?[c] ?? GrammarStates.Dead;
                if (leftRow[c] >= 0 && (without || target >= 0))
                    yield return (sets[c], (leftRow[c], target));
            }
        }

        bool Accepts((int Left, int Right) pair) => left.MayEnd(pair.Left) && (pair.Right >= 0 && right.MayEnd(pair.Right)) != without;
    }

    /// <summary>The states from which a text can be completed.</summary>
    private static bool[] Live(List<Dictionary<int, ByteSet>> found, bool[] ends)
    {
        var sources = new List<int>[ends.Length];
        for (var i = 0; i < ends.Length; i++)
        {
            foreach (var target in found[i].Keys)
                (sources[target] ??= []).Add(i);
        }

        var live = (bool[])ends.Clone();
        var work = new Stack<int>(Enumerable.Range(0, ends.Length).Where(i => ends[i]));
        while (work.TryPop(out var state))
        {
            foreach (var source in sources[state] ?? [])
            {
                if (live[source])
                    continue;
                live[source] = true;
                work.Push(source);
            }
        }

        return live;
    }
}
