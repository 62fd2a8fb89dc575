using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>
/// Where a grammar leaves one way to go on for a while, the token with which the tokenizer itself begins to write it: models know texts by these
/// tokens, and other cuts of the same text mislead them. The rule is that of llguidance: the text is cut together with the token before it, if that
/// one stays a token; tokens at the end that may become part of a longer one are not forced.
/// </summary>
internal sealed class ForcedTokens(GrammarStates states, TokenBytes tokens, Tokenizer tokenizer)
{
    private const int MaxBytes = 256;
    private const int MaxCutTokens = 4;

    /// <summary>Some tokenizers put a space before a text: a character that the text is asked for with takes it.</summary>
    private static readonly string[] Leads = ["", "\u0002", "1"];

    private readonly ByteSet[] _classSets = states.ClassSets();
    private readonly ConcurrentDictionary<int, (byte[] Bytes, int[] States)> _texts = new();
    private readonly ConcurrentDictionary<(int State, int Last), int> _first = new();

    /// <summary>The only token that should come next, or -1.</summary>
    /// <param name="state">A state.</param>
    /// <param name="last">The token before it, or -1.</param>
    public int First(int state, int last)
    {
        if (!_texts.TryGetValue(state, out var text))
            text = _texts[state] = Text(state);
        if (text.Bytes.Length == 0)
            return -1;
        if (_first.TryGetValue((state, last), out var first))
            return first;
        return _first[(state, last)] = Cut(text.Bytes, text.States, last);
    }

    /// <summary>The bytes that must follow up to the next choice, whole characters only, and the states before and behind them.</summary>
    private (byte[] Bytes, int[] States) Text(int state)
    {
        var bytes = new List<byte>();
        var path = new List<int> { state };
        while (bytes.Count < MaxBytes && OnlyByte(state) is >= 0 and var value)
        {
            bytes.Add((byte)value);
            path.Add(state = states.Row(state)[states.ClassOf[value]]);
        }

        while (bytes.Count > 0 && !Utf8.IsValid(CollectionsMarshal.AsSpan(bytes)))
            bytes.RemoveAt(bytes.Count - 1);
        return ([.. bytes], [.. path]);
    }

    private int OnlyByte(int state)
    {
        if (states.MayEnd(state))
            return -1;
        var only = -1;
        var row = states.Row(state);
        for (var c = 0; c < row.Length; c++)
        {
            if (row[c] < 0)
                continue;
            if (only >= 0 || _classSets[c].Count != 1)
                return -1;
            only = c;
        }

        return only < 0 ? -1 : states.ClassOf.IndexOf((byte)only);
    }

    private int Cut(byte[] bytes, int[] states, int last)
    {
        // Some tokenizers drop spaces at the end of a text.
        foreach (var length in (ReadOnlySpan<int>)[bytes.Length, bytes.AsSpan().TrimEnd((byte)' ').Length])
        {
            if (Encode(bytes[..length], last) is { Length: > 0 } ids)
                return ids.Length == Uncertain(ids, states[length]) ? -1 : ids[0];
        }

        return -1;
    }

    /// <summary>The tokens of a text behind another token; none if the tokenizer does not write it as it is.</summary>
    private int[] Encode(byte[] bytes, int last)
    {
        byte[] withLast = last < 0 ? [] : [.. tokens[last], .. bytes];
        return withLast.Length > 0 && Utf8.IsValid(withLast) && Encode(withLast) is [var first, .. var rest] && first == last ? rest : Encode(bytes);
    }

    /// <summary>How many tokens at the end may be part of longer ones, as far as the grammar goes on behind them.</summary>
    private int Uncertain(int[] ids, int end)
    {
        var suffix = ids.TakeLast(MaxCutTokens).SelectMany(id => tokens[id].ToArray()).ToArray();
        for (var start = 0; start < suffix.Length; start++)
        {
            if (!tokens.Trie.GoesOn(suffix.AsSpan(start), states, end))
                continue;
            var (count, length) = (0, 0);
            while (length < suffix.Length - start)
                length += tokens[ids[^++count]].Length;
            return count;
        }

        return 0;
    }

    /// <summary>The tokens of a text as it stands within another; none if the tokenizer does not write it as it is.</summary>
    private int[] Encode(byte[] bytes)
    {
        var text = Encoding.UTF8.GetString(bytes);
        foreach (var before in Leads)
        {
            if (Within(tokenizer.Encode(before + text, addSpecialTokens: false), bytes) is { Length: > 0 } ids)
                return ids;
        }

        return [];
    }

    /// <summary>The last tokens, if they have exactly these bytes.</summary>
    private int[] Within(int[] ids, byte[] bytes)
    {
        var (start, left) = (ids.Length, bytes.Length);
        while (start > 0 && left > 0)
        {
            var token = tokens[ids[--start]];
            left -= token.Length;
            if (token.IsEmpty || left < 0 || !token.SequenceEqual(bytes.AsSpan(left, token.Length)))
                return [];
        }

        return left == 0 ? ids[start..] : [];
    }
}
