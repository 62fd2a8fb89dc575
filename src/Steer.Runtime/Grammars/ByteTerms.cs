using System.Runtime.InteropServices;

namespace Steer.Runtime.Grammars;

/// <summary>
/// Regular expressions over bytes, each kept once: equal expressions have equal numbers. What may follow a byte is found by partial derivatives
/// (Antimirov 1996), so that a repetition with counts is never written out, and an expression is the state of a nondeterministic automaton.
/// Every expression but <see cref="Nothing"/> has a text that fits it. Not safe for several threads at once.
/// </summary>
internal sealed class ByteTerms
{
    /// <summary>No text.</summary>
    public const int Nothing = 0;

    /// <summary>The text of no bytes.</summary>
    public const int Empty = 1;

    /// <summary>No limit of a repetition.</summary>
    public const int Unlimited = int.MaxValue;

    private const int MaxTerms = 1 << 20;
    private const int MaxListed = 1 << 22;
    private const int MaxSteps = 1 << 16;

    private readonly List<Term> _terms = [];
    private readonly Dictionary<Term, int> _ids = [];
    private readonly List<(int Set, int Target)[]?> _forms = [];
    private readonly List<int[]> _lists = [];
    private readonly Dictionary<int[], int> _listIds = new(IntListComparer.Instance);
    private readonly List<ByteDfa> _automata = [];
    private readonly Stack<(int Term, int After)> _work = new();
    private readonly HashSet<(int Term, int After)> _seen = [];
    private long _listed;

    /// <summary>Begins with <see cref="Nothing"/> and <see cref="Empty"/> alone.</summary>
    /// <param name="alphabet">The bytes that exist at all; sets are cut to them.</param>
    public ByteTerms(ByteSet alphabet)
    {
        Alphabet = alphabet;
        Add(new Term(Kind.Nothing, 0, 0, 0, false));
        Add(new Term(Kind.Empty, 0, 0, 0, true));
    }

    private enum Kind : byte
    {
        Nothing,
        Empty,
        Bytes,
        Concat,
        Or,
        Repeat,
        State,
    }

    /// <summary>The bytes that exist at all.</summary>
    public ByteSet Alphabet { get; }

    /// <summary>The sets of bytes by their numbers, as linear forms have them.</summary>
    public ByteClasses Sets { get; } = new();

    /// <summary>Whether half of the memory is used that the expressions may take.</summary>
    public bool IsCrowded => _terms.Count > MaxTerms / 2 || _listed > MaxListed / 2;

    /// <summary>Whether the text of no bytes fits.</summary>
    public bool IsNullable(int term) => _terms[term].Nullable;

    /// <summary>One byte of a set.</summary>
    public int Bytes(ByteSet set)
    {
        set &= Alphabet;
        return set.IsEmpty ? Nothing : Intern(new Term(Kind.Bytes, Sets.IdOf(set), 0, 0, false));
    }

    /// <summary>A text of bytes.</summary>
    public int Literal(ReadOnlySpan<byte> bytes)
    {
        var term = Empty;
        for (var i = bytes.Length - 1; i >= 0; i--)
            term = Concat(Bytes(ByteSet.Of(bytes[i], bytes[i])), term);
        return term;
    }

    /// <summary>A text of ASCII.</summary>
    public int Literal(string ascii) => Literal(System.Text.Encoding.ASCII.GetBytes(ascii));

    /// <summary>One after the other.</summary>
    public int Concat(int first, int second)
    {
        if (first == Nothing || second == Nothing)
            return Nothing;
        if (first == Empty || second == Empty)
            return first == Empty ? second : first;
        return Intern(new Term(Kind.Concat, first, second, 0, IsNullable(first) && IsNullable(second)));
    }

    /// <summary>All, one after the other.</summary>
    public int Concat(params ReadOnlySpan<int> items)
    {
        var term = Empty;
        for (var i = items.Length - 1; i >= 0; i--)
            term = Concat(items[i], term);
        return term;
    }

    /// <summary>Any of them.</summary>
    public int Or(params ReadOnlySpan<int> items)
    {
        var set = default(ByteSet);
        var nullable = false;
        var others = new List<int>(items.Length + 1);
        foreach (var item in items)
        {
            if (_terms[item].Kind == Kind.Bytes)
                set |= Sets[_terms[item].A];
            else if (item != Nothing)
                others.Add(item);
            nullable |= item != Empty && IsNullable(item);
        }

        if (!set.IsEmpty)
            others.Add(Bytes(set));
        if (nullable)
            others.RemoveAll(item => item == Empty);
        others.Sort();
        var list = others.Distinct().ToArray();
        return list.Length switch
        {
            0 => Nothing,
            1 => list[0],
            _ => Intern(new Term(Kind.Or, ListId(list), 0, 0, nullable || list[0] == Empty)),
        };
    }

    /// <summary>The term or nothing.</summary>
    public int Optional(int item) => Or(Empty, item);

    /// <summary>The term <paramref name="min"/> to <paramref name="max"/> times; <see cref="Nothing"/> where the least is above the most.</summary>
    public int Repeat(int item, int min, int max)
    {
        if (min > max)
            return Nothing;
        if (item == Nothing)
            return min == 0 ? Empty : Nothing;
        if (item == Empty || max == 0)
            return Empty;
        if (IsNullable(item))
            min = 0;
        var (kind, inner, innerMin, innerMax, _) = _terms[item];
        if (kind == Kind.Repeat && min == 0 && innerMin == 0)
            return Repeat(inner, 0, Times(innerMax, max));
        if (kind == Kind.Repeat && innerMin == 1 && innerMax == Unlimited)
            return Repeat(inner, min, Unlimited);
        return (min, max) switch
        {
            (1, 1) => item,
            (0, 1) => Optional(item),
            _ => Intern(new Term(Kind.Repeat, item, min, max, min == 0)),
        };
    }

    /// <summary>What a new automaton accepts from its first state on.</summary>
    public int Automaton(ByteDfa automaton)
    {
        _automata.Add(automaton);
        return State(_automata.Count - 1, 0);
    }

    /// <summary>
    /// What a term may begin with: after a byte of each set, the rest fits its target. The same byte may be in several sets.
    /// </summary>
    /// <exception cref="SteerException">There are too many.</exception>
    public (int Set, int Target)[] LinearForm(int term) => _forms[term] ??= MakeForm(term);

    private (int Set, int Target)[] MakeForm(int start)
    {
        var form = new List<(int Set, int Target)>();
        _work.Clear();
        _seen.Clear();
        Push(start, Empty);
        while (_work.TryPop(out var item))
        {
            var (term, rest) = item;
            var (kind, a, b, c, _) = _terms[term];
            switch (kind)
            {
                case Kind.Bytes:
                    form.Add((a, rest));
                    break;
                case Kind.Or:
                    foreach (var choice in _lists[a])
                        Push(choice, rest);
                    break;
                case Kind.Concat:
                    Push(a, Concat(b, rest));
                    if (IsNullable(a))
                        Push(b, rest);
                    break;
                case Kind.Repeat:
                    Push(a, Concat(Repeat(a, Math.Max(b - 1, 0), c == Unlimited ? c : c - 1), rest));
                    break;
                case Kind.State:
                    foreach (var (set, next) in _automata[a].From(b))
                        form.Add((set, Concat(State(a, next), rest)));
                    break;
            }
        }

        _listed += form.Count;
        if (_listed > MaxListed)
            throw TooLarge();
        return [.. form];

        void Push(int term, int rest)
        {
            if (!_seen.Add((term, rest)))
                return;
            if (_seen.Count > MaxSteps)
                throw TooLarge();
            _work.Push((term, rest));
        }
    }

    /// <summary>A grammar that needs more memory than it may have.</summary>
    public static SteerException TooLarge() => new(
        "the grammar needs too many states. Give a simpler one: fewer or smaller repeat counts within each other, fewer alternatives.");

    private static int Times(int a, int b) => a == Unlimited || b == Unlimited || (long)a * b >= Unlimited ? Unlimited : a * b;

    private int ListId(int[] list)
    {
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_listIds, list, out var exists);
        if (exists)
            return id;
        _listed += list.Length;
        if (_listed > MaxListed)
            throw TooLarge();
        id = _lists.Count;
        _lists.Add(list);
        return id;
    }

    private int State(int automaton, int state) => Intern(new Term(Kind.State, automaton, state, 0, _automata[automaton].Accepts(state)));

    private int Intern(Term term) => _ids.TryGetValue(term, out var id) ? id : Add(term);

    private int Add(Term term)
    {
        if (_terms.Count == MaxTerms)
            throw TooLarge();
        _ids.Add(term, _terms.Count);
        _terms.Add(term);
        _forms.Add(null);
        return _terms.Count - 1;
    }

    /// <summary>What A, B and C are: a set; two terms; a list of terms; a term and its counts; an automaton and its state.</summary>
    private readonly record struct Term(Kind Kind, int A, int B, int C, bool Nullable);
}
