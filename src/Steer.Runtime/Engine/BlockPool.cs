using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>A block of the paged cache: <see cref="KvCacheShape.BlockSize"/> positions of one context, or of several that begin alike.</summary>
internal sealed class Block(int id)
{
    public int Id { get; } = id;

    /// <summary>Contexts that hold the block.</summary>
    public int References { get; set; }

    /// <summary>Positions whose keys and values are computed, or are in the step being built.</summary>
    public int Filled { get; set; }

    /// <summary>The context that computes the block; null where it left before it was done, and any holder may go on.</summary>
    public Context? Writer { get; set; }

    /// <summary>What the block holds, where others may share it.</summary>
    public BlockKey? Key { get; set; }

    /// <summary>Names the content from the first position of the context to the end of this block; never used twice.</summary>
    public long Content { get; set; }

    /// <summary>Place in the list of free blocks; null while held.</summary>
    public LinkedListNode<Block>? FreeNode { get; set; }
}

/// <summary>A block's tokens and everything before them: the model that computed it, the content of the block before, its own tokens.</summary>
internal sealed record BlockKey(Guidance.Variant Variant, long Parent, int[] Tokens)
{
    public bool Equals(BlockKey? other) =>
        other is not null && Variant == other.Variant && Parent == other.Parent && Tokens.AsSpan().SequenceEqual(other.Tokens);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(Variant);
        hash.Add(Parent);
        foreach (int token in Tokens)
            hash.Add(token);
        return hash.ToHashCode();
    }
}

/// <summary>
/// Blocks of a paged cache, reference-counted. A full block of a context is shared by every context that begins with the same tokens
/// under the same model, also while it is still being computed, and stays to be found again after its last holder left, until its room is needed.
/// </summary>
internal sealed class BlockPool
{
    private readonly Block[] _blocks;
    private readonly LinkedList<Block> _free = new();
    private readonly Dictionary<BlockKey, Block> _shared = [];
    private long _nextContent = 1;

    private readonly bool _share;

    /// <summary>Makes a pool of free blocks.</summary>
    /// <param name="count">Blocks.</param>
    /// <param name="share">Contexts that begin alike share blocks.</param>
    public BlockPool(int count, bool share)
    {
        _share = share;
        _blocks = new Block[count];
        for (int i = 0; i < count; i++)
        {
            _blocks[i] = new Block(i);
            _blocks[i].FreeNode = _free.AddLast(_blocks[i]);
        }
    }

    /// <summary>All blocks.</summary>
    public int Count => _blocks.Length;

    /// <summary>Blocks that nothing holds.</summary>
    public int Free => _free.Count;

    /// <summary>Most blocks held at once so far.</summary>
    public int PeakUsed { get; private set; }

    /// <summary>Positions that were found in the cache instead of computed.</summary>
    public long SharedPositions { get; private set; }

    /// <summary>How many free blocks <see cref="AddPrompt"/> would take for this context.</summary>
    public int Needed(Context context)
    {
        int shareable = Shareable(context), needed = BlocksFor(context.Length) - shareable;
        long parent = 0;
        for (int i = 0; i < shareable; i++)
        {
            var block = Find(context, i, parent);
            if (block is null)
                return needed + shareable - i;
            if (block.References == 0)
                needed++;
            parent = block.Content;
        }

        return needed;
    }

    /// <summary>
    /// Gives a context blocks for all of its tokens, shared where the same tokens were seen. The caller has asked <see cref="Needed"/>.
    /// </summary>
    public void AddPrompt(Context context)
    {
        long parent = 0;
        int shareable = Shareable(context);
        while (context.Blocks.Count < shareable && Find(context, context.Blocks.Count, parent) is { } found)
        {
            Hold(found);
            SharedPositions += KvCacheShape.BlockSize;
            context.Blocks.Add(found);
            parent = found.Content;
        }

        // In ascending order: attention reads blocks that follow each other as one run of memory.
        var taken = new Block[BlocksFor(context.Length) - context.Blocks.Count];
        for (int i = 0; i < taken.Length; i++)
            taken[i] = Take(context);
        foreach (var block in taken.OrderBy(b => b.Id))
        {
            if (context.Blocks.Count < shareable)
            {
                block.Key = new BlockKey(context.Variant, parent, Tokens(context, context.Blocks.Count));
                block.Content = _nextContent++;
                _shared.Add(block.Key, block);
                parent = block.Content;
            }

            context.Blocks.Add(block);
        }
    }

    /// <summary>Gives a context room for <paramref name="length"/> positions; false, and nothing is taken, where too few blocks are free.</summary>
    public bool TryGrow(Context context, int length)
    {
        int missing = BlocksFor(length) - context.Blocks.Count;
        if (missing > _free.Count)
            return false;
        for (int i = 0; i < missing; i++)
            context.Blocks.Add(Take(context));
        return true;
    }

    /// <summary>Takes a context's blocks back.</summary>
    public void Release(Context context)
    {
        // From the end, so that what is reused first is what others are least likely to begin with.
        for (int i = context.Blocks.Count - 1; i >= 0; i--)
        {
            var block = context.Blocks[i];
            if (block.Writer == context)
                block.Writer = null;
            if (--block.References > 0)
                continue;
            if (block.Key is not null && block.Filled == KvCacheShape.BlockSize)
            {
                block.FreeNode = _free.AddLast(block);
            }
            else
            {
                Forget(block);
                block.FreeNode = _free.AddFirst(block);
            }
        }

        context.Blocks.Clear();
    }

    private int Shareable(Context context) => _share ? context.Shareable : 0;

    private static int BlocksFor(int length) => (length + KvCacheShape.BlockSize - 1) / KvCacheShape.BlockSize;

    private static int[] Tokens(Context context, int block)
    {
        var tokens = new int[KvCacheShape.BlockSize];
        for (int i = 0; i < tokens.Length; i++)
            tokens[i] = context.Token(block * KvCacheShape.BlockSize + i);
        return tokens;
    }

    private Block? Find(Context context, int block, long parent) =>
        _shared.GetValueOrDefault(new BlockKey(context.Variant, parent, Tokens(context, block)));

    private void Hold(Block block)
    {
        if (block.References++ == 0)
        {
            _free.Remove(block.FreeNode!);
            block.FreeNode = null;
        }

        PeakUsed = Math.Max(PeakUsed, Count - Free);
    }

    private Block Take(Context context)
    {
        var block = _free.First!.Value;
        Forget(block);
        Hold(block);
        block.Filled = 0;
        block.Writer = context;
        return block;
    }

    private void Forget(Block block)
    {
        if (block.Key is not null)
            _shared.Remove(block.Key);
        block.Key = null;
    }
}
