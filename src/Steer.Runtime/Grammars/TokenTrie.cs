namespace Steer.Runtime.Grammars;

/// <summary>The tokens of a vocabulary as a tree of their bytes, in depth-first order.</summary>
internal sealed class TokenTrie
{
    private readonly Node[] _nodes;
    private readonly int[] _sameBytes; // for a token, another one of the same bytes, or -1 after the last
    private readonly int _depth;

    /// <summary>Builds the tree; tokens without bytes are not in it.</summary>
    public TokenTrie(TokenBytes tokens)
    {
        var ids = Enumerable.Range(0, tokens.VocabSize).Where(id => tokens[id].Length > 0).ToArray();
        Array.Sort(ids, (a, b) => tokens[a].SequenceCompareTo(tokens[b]) is not 0 and var order ? order : a.CompareTo(b));
        _sameBytes = new int[tokens.VocabSize];
        Array.Fill(_sameBytes, -1);
        var nodes = new List<Node>();
        var path = new List<int>(); // the nodes of the last token's bytes
        ReadOnlySpan<byte> last = [];
        foreach (var id in ids)
        {
            var bytes = tokens[id];
            Alphabet |= SetOf(bytes);
            var shared = bytes.CommonPrefixLength(last);
            if (shared == bytes.Length)
            {
                // Sorted: a token that begins another one comes first, so that this is the same one again.
                var same = nodes[path[^1]].Token;
                (_sameBytes[id], _sameBytes[same]) = (_sameBytes[same], id);
                continue;
            }

            Close(shared);
            for (var i = shared; i < bytes.Length; i++)
            {
                path.Add(nodes.Count);
                nodes.Add(new Node { Byte = bytes[i], Depth = i, Token = -1 });
            }

            nodes[path[^1]] = nodes[path[^1]] with { Token = id };
            _depth = Math.Max(_depth, bytes.Length);
            last = bytes;
        }

        Close(0);
        _nodes = [.. nodes];

        void Close(int depth)
        {
            foreach (var node in path.Skip(depth))
                nodes[node] = nodes[node] with { End = nodes.Count };
            path.RemoveRange(depth, path.Count - depth);
        }
    }

    /// <summary>Every byte of any token.</summary>
    public ByteSet Alphabet { get; }

    /// <summary>Sets the bit of each token whose bytes lead on from a state.</summary>
    public void Mark(GrammarStates states, int state, Span<uint> mask)
    {
        var rows = new int[_depth + 1][]; // the rows of the states before each byte of the path
        rows[0] = states.Row(state);
        var classOf = states.ClassOf;
        for (var i = 0; i < _nodes.Length;)
        {
            ref readonly var node = ref _nodes[i];
            var next = rows[node.Depth][classOf[node.Byte]];
            if (next < 0)
            {
                i = node.End;
                continue;
            }

            for (var token = node.Token; token >= 0; token = _sameBytes[token])
                mask[token >> 5] |= 1u << token;
            if (++i < node.End)
                rows[node.Depth + 1] = states.Row(next);
        }
    }

    /// <summary>Whether a token begins with these bytes and goes on with such as lead on from a state.</summary>
    public bool GoesOn(ReadOnlySpan<byte> begin, GrammarStates states, int state)
    {
        var (from, to) = (0, _nodes.Length);
        for (var i = 0; i < begin.Length; i++)
        {
            while (from < to && _nodes[from].Byte != begin[i])
                from = _nodes[from].End;
            if (from >= to)
                return false;
            (from, to) = (from + 1, _nodes[from].End);
        }

        var path = new int[_depth + 1]; // the states before each byte
        path[begin.Length] = state;
        for (var i = from; i < to;)
        {
            ref readonly var node = ref _nodes[i];
            var next = states.Row(path[node.Depth])[states.ClassOf[node.Byte]];
            if (next >= 0 && node.Token >= 0)
                return true;
            path[node.Depth + 1] = next;
            i = next < 0 ? node.End : i + 1;
        }

        return false;
    }

    private static ByteSet SetOf(ReadOnlySpan<byte> bytes)
    {
        var set = default(ByteSet);
        foreach (var value in bytes)
            set |= ByteSet.Of(value, value);
        return set;
    }

    /// <summary>A byte behind those of the nodes around it.</summary>
    private readonly record struct Node
    {
        /// <summary>The byte.</summary>
        public byte Byte { get; init; }

        /// <summary>How many bytes are before it.</summary>
        public int Depth { get; init; }

        /// <summary>The token that ends here, the lowest of several, or -1.</summary>
        public int Token { get; init; }

        /// <summary>The node behind all that begin with this one's bytes.</summary>
        public int End { get; init; }
    }
}
