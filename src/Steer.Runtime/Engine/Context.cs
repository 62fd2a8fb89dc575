using Steer.Kernels;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Engine;

/// <summary>A branch while its sequence runs: its tokens (own prompt, then what all branches of the sequence share) and its cache.</summary>
internal sealed class Context(Branch branch, Sequence sequence)
{
    public Branch Branch { get; } = branch;

    public Variant Variant => Branch.Variant;

    /// <summary>Tokens so far.</summary>
    public int Length => Branch.Context.Count + sequence.Generated.Count;

    /// <summary>Blocks of the cache, in order of position.</summary>
    public List<Block> Blocks { get; } = [];

    /// <summary>Positions whose keys and values are in the cache, or in the step being built.</summary>
    public int Computed { get; private set; }

    /// <summary>Positions still to compute before a token can be drawn.</summary>
    public int Remaining => Length - Computed;

    /// <summary>Full blocks that others may share: never the last token's, whose logits are always computed.</summary>
    public int Shareable => (Length - 1) / KvCacheShape.BlockSize;

    /// <summary>The token at a position; of a sequence with known tokens also beyond <see cref="Length"/>.</summary>
    public int Token(int position)
    {
        int prompt = Branch.Context.Count;
        return position < prompt ? Branch.Context[position] : sequence.Output(position - prompt);
    }

    /// <summary>
    /// Moves on over positions that others computed. Returns how many of the following positions this context may compute now:
    /// 0 while another context is at work on a block that both hold.
    /// </summary>
    public int Available()
    {
        const int size = KvCacheShape.BlockSize;
        while (Remaining > 1 && Blocks[Computed / size] is var block && block.Filled > Computed % size)
            Computed = Math.Min(Computed / size * size + block.Filled, Length - 1);

        int end = Computed;
        while (end < Length)
        {
            var block = Blocks[end / size];
            block.Writer ??= this;
            if (block.Writer != this)
                break;
            end = Math.Min((end / size + 1) * size, Length);
        }

        return end - Computed;
    }

    /// <summary>Marks the next positions as computed by the step being built.</summary>
    public void Advance(int count)
    {
        const int size = KvCacheShape.BlockSize;
        for (int i = 0; i < count; i++, Computed++)
        {
            var block = Blocks[Computed / size];
            block.Filled = Math.Max(block.Filled, Computed % size + 1);
        }
    }

    /// <summary>Forgets the cache: everything is computed again.</summary>
    public void Reset() => Computed = 0;
}
