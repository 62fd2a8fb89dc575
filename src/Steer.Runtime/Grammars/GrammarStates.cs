using System.Runtime.InteropServices;

namespace Steer.Runtime.Grammars;

/// <summary>
/// The deterministic automaton of an expression: a state is a set of expressions, one of which the rest of the text must fit. States are found when
/// they are asked for. Safe for several threads at once as long as no other object uses the expressions.
/// </summary>
internal sealed class GrammarStates
{
    /// <summary>Where no text goes on.</summary>
    public const int Dead = -1;

    private const int MaxStates = 1 << 20;
    private const long MaxMembers = 1 << 22;
    private const long MaxCells = 1 << 26;

    // The objects of a state, its lists' heads and its places in tables.
    private const int StateBytes = 160;

    private readonly ByteTerms _terms;
    private readonly byte[] _classOf;
    private readonly int _classCount;
    private readonly List<int[]> _members = [];
    private readonly Dictionary<int[], int> _ids = new(IntListComparer.Instance);
    private readonly List<byte[]?> _classesOfSet = [];
    private readonly List<int>[] _targets;
    private readonly Lock _lock = new();
    private volatile State[] _states = new State[16];
    private long _memberCount;
    private long _cells;

    /// <summary>Begins with the start.</summary>
    /// <param name="terms">The expressions; sets of bytes that cut a class may not be added any more.</param>
    /// <param name="term">What a text must fit; not <see cref="ByteTerms.Nothing"/>.</param>
    public GrammarStates(ByteTerms terms, int term)
    {
        _terms = terms;
        _classOf = terms.Sets.ClassOf.ToArray();
        _classCount = terms.Sets.Count;
        _targets = [.. Enumerable.Range(0, _classCount).Select(_ => new List<int>())];
        Start = StateOf([term]);
    }

    /// <summary>Where a text begins.</summary>
    public int Start { get; }

    /// <summary>The class of each byte: the column of a row.</summary>
    public ReadOnlySpan<byte> ClassOf => _classOf;

    /// <summary>Expressions in all states found so far.</summary>
    public long MemberCount => _memberCount;

    /// <summary>What the states and their rows take, in bytes: about.</summary>
    public long Bytes => ((_cells + _memberCount) * sizeof(int)) + ((long)_ids.Count * StateBytes);

    /// <summary>Whether half of the memory is used that the states may take.</summary>
    public bool IsCrowded => _ids.Count > MaxStates / 2 || _memberCount > MaxMembers / 2 || _cells > MaxCells / 2 || _terms.IsCrowded;

    /// <summary>Whether the text may end in a state.</summary>
    public bool MayEnd(int state) => _states[state].MayEnd;

    /// <summary>Where the bytes of each class lead from a state; <see cref="Dead"/> where no text goes on.</summary>
    /// <exception cref="SteerException">The grammar needs too much memory.</exception>
    public int[] Row(int state)
    {
        var found = _states[state];
        return found.Row ?? Expand(state, found);
    }

    /// <summary>Whether a whole text fits.</summary>
    public bool Fits(ReadOnlySpan<byte> text)
    {
        var state = Start;
        foreach (var value in text)
        {
            state = Row(state)[_classOf[value]];
            if (state < 0)
                return false;
        }

        return MayEnd(state);
    }

    /// <summary>The bytes of each class.</summary>
    public ByteSet[] ClassSets()
    {
        var sets = new ByteSet[_classCount];
        for (var value = 0; value < 256; value++)
            sets[_classOf[value]] |= ByteSet.Of(value, value);
        return sets;
    }

    private int[] Expand(int state, State found)
    {
        lock (_lock)
        {
            if (found.Row is { } known)
                return known;
            _cells += _classCount;
            if (_cells > MaxCells)
                throw ByteTerms.TooLarge();
            foreach (var list in _targets)
                list.Clear();
            foreach (var term in _members[state])
            {
                foreach (var (set, target) in _terms.LinearForm(term))
                {
                    foreach (var c in ClassesOfSet(set))
                        _targets[c].Add(target);
                }
            }

            var row = new int[_classCount];
            for (var c = 0; c < _classCount; c++)
                row[c] = c > 0 && IsSame(_targets[c - 1], _targets[c]) ? row[c - 1] : StateOf(_targets[c]);

            return found.Row = row;
        }
    }

    private static bool IsSame(List<int> a, List<int> b) => CollectionsMarshal.AsSpan(a).SequenceEqual(CollectionsMarshal.AsSpan(b));

    private int StateOf(List<int> targets)
    {
        if (targets.Count == 0)
            return Dead;
        var members = CollectionsMarshal.AsSpan(targets);
        if (members.Length > 1)
        {
            members.Sort();
            members = members[..Distinct(members)];
        }

        var ids = _ids.GetAlternateLookup<ReadOnlySpan<int>>();
        if (ids.TryGetValue(members, out var id))
            return id;
        id = _members.Count;
        _memberCount += members.Length;
        if (id == MaxStates || _memberCount > MaxMembers)
            throw ByteTerms.TooLarge();
        var list = members.ToArray();
        _members.Add(list);
        _ids.Add(list, id);
        var states = _states;
        if (id == states.Length)
            Array.Resize(ref states, id * 2);
        states[id] = new State(list.Any(_terms.IsNullable));
        _states = states;
        return id;
    }

    private static int Distinct(Span<int> sorted)
    {
        var kept = 1;
        for (var i = 1; i < sorted.Length; i++)
        {
            if (sorted[i] != sorted[kept - 1])
                sorted[kept++] = sorted[i];
        }

        return kept;
    }

    private byte[] ClassesOfSet(int set)
    {
        while (_classesOfSet.Count <= set)
            _classesOfSet.Add(null);
        return _classesOfSet[set] ??= [.. Enumerable.Range(0, 256).Where(_terms.Sets[set].Contains).Select(value => _classOf[value]).Distinct()];
    }

    private sealed class State(bool mayEnd)
    {
        private volatile int[]? _row;

        public bool MayEnd { get; } = mayEnd;

        public int[]? Row
        {
            get => _row;
            set => _row = value;
        }
    }
}
