using System.Runtime.InteropServices;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Knows every run of words of the texts added to it: the smallest automaton of their substrings, grown word by word (Blumer et al., 1985). Time and
/// memory are linear in the words.
/// </summary>
internal sealed class SuffixAutomaton
{
    private readonly List<State> _states = [new State { Link = -1, FirstEdge = -1 }];

    // Edges of all states: where one leads by its key, and for each state the chain of its words.
    private readonly Dictionary<long, int> _targets = [];
    private readonly List<(int Word, int Next)> _edges = [];

    /// <summary>Adds all runs of a text.</summary>
    public void Add(ReadOnlySpan<int> words)
    {
        int last = 0;
        foreach (int word in words)
            last = Extend(last, word);
    }

    /// <summary>Words of the longest run of a text that an added one has too.</summary>
    public int LongestRun(ReadOnlySpan<int> words)
    {
        int state = 0, length = 0, longest = 0;
        foreach (int word in words)
        {
            int next;
            while (!_targets.TryGetValue(Key(state, word), out next) && state != 0)
            {
                state = _states[state].Link;
                length = _states[state].Length;
            }

            if (next == 0)
                continue;
            state = next;
            longest = Math.Max(longest, ++length);
        }

        return longest;
    }

    private static long Key(int state, int word) => ((long)state << 32) | (uint)word;

    /// <summary>The state of the text so far with one word more.</summary>
    private int Extend(int last, int word)
    {
        // A word that is known to follow here: the run exists already, in a state of its own or in one shared with longer runs.
        if (_targets.TryGetValue(Key(last, word), out int known))
            return _states[known].Length == _states[last].Length + 1 ? known : Split(last, word, known);

        int added = AddState(new State { Length = _states[last].Length + 1, FirstEdge = -1 });
        int state = last;
        for (; state >= 0 && !_targets.ContainsKey(Key(state, word)); state = _states[state].Link)
            AddEdge(state, word, added);
        int link = 0;
        if (state >= 0)
        {
            int next = _targets[Key(state, word)];
            link = _states[next].Length == _states[state].Length + 1 ? next : Split(state, word, next);
        }

        CollectionsMarshal.AsSpan(_states)[added].Link = link;
        return added;
    }

    /// <summary>Parts the runs of <paramref name="target"/> that end here from the longer ones; returns the state of the shorter.</summary>
    private int Split(int state, int word, int target)
    {
        int shorter = AddState(new State { Length = _states[state].Length + 1, Link = _states[target].Link, FirstEdge = -1 });
        for (int edge = _states[target].FirstEdge; edge >= 0; edge = _edges[edge].Next)
            AddEdge(shorter, _edges[edge].Word, _targets[Key(target, _edges[edge].Word)]);
        CollectionsMarshal.AsSpan(_states)[target].Link = shorter;
        for (; state >= 0 && _targets.TryGetValue(Key(state, word), out int next) && next == target; state = _states[state].Link)
            _targets[Key(state, word)] = shorter;
        return shorter;
    }

    private int AddState(State state)
    {
        _states.Add(state);
        return _states.Count - 1;
    }

    private void AddEdge(int state, int word, int target)
    {
        _targets.Add(Key(state, word), target);
        ref int first = ref CollectionsMarshal.AsSpan(_states)[state].FirstEdge;
        _edges.Add((word, first));
        first = _edges.Count - 1;
    }

    private struct State
    {
        public int Length;
        public int Link;
        public int FirstEdge;
    }
}
