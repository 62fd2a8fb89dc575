using System.Numerics;

namespace Steer.Runtime.Tokenization;

/// <summary>Pairs of ids to the rank of their merge and the id it makes: a hash table with open addressing, built once.</summary>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;
    private readonly ulong[] _keys;
    private readonly (int Rank, int Id)[] _merges;
    private readonly int _shift;

    /// <summary>Makes a table for a number of merges.</summary>
    public MergeTable(int count)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, count * 2));
        _shift = 64 - BitOperations.Log2((uint)size);
        _keys = new ulong[size];
        _merges = new (int, int)[size];
        Array.Fill(_keys, Empty);
    }

    /// <summary>Adds a merge; of a pair that comes twice the later one counts.</summary>
    public void Set(int left, int right, int rank, int id)
    {
        var slot = Slot(Key(left, right));
        _keys[slot] = Key(left, right);
        _merges[slot] = (rank, id);
    }

    /// <summary>Finds the merge of a pair.</summary>
    public bool TryGet(int left, int right, out int rank, out int id)
    {
        var slot = Slot(Key(left, right));
        (rank, id) = _merges[slot];
        return _keys[slot] != Empty;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    /// <summary>The key's slot, or the empty one where it would go.</summary>
    private int Slot(ulong key)
    {
        var slot = (int)((key * 0x9E3779B97F4A7C15) >> _shift);
        while (_keys[slot] != key && _keys[slot] != Empty)
            slot = (slot + 1) & (_keys.Length - 1);
        return slot;
    }
}
