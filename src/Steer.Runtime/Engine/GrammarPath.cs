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
        return grammar.AllowedTokens(_states[ahead]);
    }

    /// <summary>Goes on by a token that was drawn.</summary>
    public void Accept(int token)
    {
        _state = grammar.Next(_state, token);
        _known.Clear();
        _states.Clear();
    }

    private void Find()
    {
        if (_states.Count > 0)
            return;
        int state = _state;
        _states.Add(state);
        while (_known.Count < MaxKnown && Only(grammar.AllowedTokens(state)) is >= 0 and var token && token < vocabSize)
        {
            int next = grammar.Next(state, token);
            // A token that ends the text leads nowhere.
            if (next == state)
                break;
            _known.Add(token);
            _states.Add(state = next);
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
