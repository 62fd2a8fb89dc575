using System.Numerics;
using Steer.Runtime.Grammars;

namespace Steer.Runtime.Engine;

/// <summary>
/// Where one text stands in its grammar, and the tokens that must come next: wherever the grammar allows a single one, it is known before it is
/// drawn, so that a run of them is computed in one step, as a prompt's are.
/// </summary>
/// <param name="grammar">What the text has to fit.</param>
/// <param name="vocabSize">Tokens that can be drawn.</param>
internal sealed class GrammarPath(TokenGrammar grammar, int vocabSize)
{
    // Rows that one text may add to a step: beyond it others would wait for it.
    private const int MaxKnown = 15;

    private readonly List<int> _known = [];

    // Before each known token, and after the last; empty where they have to be found again.
    private readonly List<int> _states = [];
    private int _state = grammar.Start;

    /// <summary>
    /// Why the text cannot go on: its grammar needs too much memory from here on. Null until then; no token is allowed any more after it.
    /// </summary>
    public SteerException? Error { get; private set; }

    /// <summary>Tokens that come next without a choice, in order; the token after them is drawn.</summary>
    public IReadOnlyList<int> Known
    {
        get
        {
            Find();
            return _known;
        }
    }

    /// <summary>Bits of the tokens that may come after <paramref name="ahead"/> known ones.</summary>
    public ReadOnlySpan<uint> Allowed(int ahead)
    {
        Find();
        return AllowedIn(_states[ahead]);
    }

    /// <summary>Goes on by a token that was drawn.</summary>
    public void Accept(int token)
    {
        _state = Next(_state, token);
        _known.Clear();
        _states.Clear();
    }

    private void Find()
    {
        if (_states.Count > 0)
            return;
        int state = _state;
        _states.Add(state);
        while (_known.Count < MaxKnown && Only(AllowedIn(state)) is >= 0 and var token && token < vocabSize)
        {
            int next = Next(state, token);
            // A token that ends the text leads nowhere.
            if (next == state)
                break;
            _known.Add(token);
            _states.Add(state = next);
        }
    }

    /// <summary>The bits of the tokens that are allowed in a state; empty after an <see cref="Error"/>.</summary>
    private ReadOnlySpan<uint> AllowedIn(int state)
    {
        try
        {
            return Error is null ? grammar.AllowedTokens(state) : [];
        }
        catch (SteerException e)
        {
            // On the engine's thread: it fails its own text, not those that run beside it.
            Error = e;
            return [];
        }
    }

    /// <summary>The state after a token; the same state after an <see cref="Error"/>.</summary>
    private int Next(int state, int token)
    {
        try
        {
            return grammar.Next(state, token);
        }
        catch (SteerException e)
        {
            Error = e;
            return state;
        }
    }

    /// <summary>The token whose bit alone is set; -1 where there are others, or none.</summary>
    private static int Only(ReadOnlySpan<uint> bits)
    {
        int only = -1;
        for (int word = 0; word < bits.Length; word++)
        {
            if (bits[word] == 0)
                continue;
            if (only >= 0 || !BitOperations.IsPow2(bits[word]))
                return -1;
            only = word * 32 + BitOperations.TrailingZeroCount(bits[word]);
        }

        return only;
    }
}
