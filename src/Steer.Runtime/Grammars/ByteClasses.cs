namespace Steer.Runtime.Grammars;

/// <summary>Sets of bytes, each kept once, and the classes of bytes that none of them tells apart.</summary>
internal sealed class ByteClasses
{
    private readonly List<ByteSet> _sets = [];
    private readonly Dictionary<ByteSet, int> _ids = [];
    private readonly byte[] _classOf = new byte[256];

    /// <summary>How many classes there are.</summary>
    public int Count { get; private set; } = 1;

    /// <summary>The class of each byte.</summary>
    public ReadOnlySpan<byte> ClassOf => _classOf;

    /// <summary>The set of a number.</summary>
    public ByteSet this[int id] => _sets[id];

    /// <summary>The number of a set.</summary>
    public int IdOf(ByteSet set)
    {
        if (_ids.TryGetValue(set, out var id))
            return id;
        id = _sets.Count;
        _sets.Add(set);
        _ids.Add(set, id);
        Refine(set);
        return id;
    }

    /// <summary>Splits the classes that a set cuts.</summary>
    private void Refine(ByteSet set)
    {
        var inside = new Dictionary<byte, byte>();
        for (var value = 0; value < 256; value++)
        {
            var old = _classOf[value];
            if (!set.Contains(value))
                continue;
            if (!inside.TryGetValue(old, out var divided))
                inside.Add(old, divided = IsCut(old) ? (byte)Count++ : old);
            _classOf[value] = divided;
        }

        bool IsCut(byte old)
        {
            for (var value = 0; value < 256; value++)
            {
                if (_classOf[value] == old && !set.Contains(value))
                    return true;
            }

            return false;
        }
    }
}
