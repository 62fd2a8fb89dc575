using Steer.Kernels;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Engine;

/// <summary>Reference counts, sharing and reuse of blocks.</summary>
public class BlockPoolTests
{
    private const int Size = KvCacheShape.BlockSize;

    [Fact]
    public void Contexts_that_begin_alike_share_full_blocks_but_never_the_last_token()
    {
        var pool = new BlockPool(16, share: true);
        var first = Context(2 * Size);
        var second = Context(2 * Size);
        pool.AddPrompt(first);
        Assert.Equal(1, pool.Needed(second)); // 32 tokens: one full block may be shared, the second holds the last token
        pool.AddPrompt(second);
        Assert.Same(first.Blocks[0], second.Blocks[0]);
        Assert.NotSame(first.Blocks[1], second.Blocks[1]);
        Assert.Equal(16 - 3, pool.Free);
    }

    [Fact]
    public void Another_model_shares_nothing()
    {
        var pool = new BlockPool(16, share: true);
        pool.AddPrompt(Context(40));
        var other = Context(40, Variant.Expert);
        pool.AddPrompt(other);
        Assert.Equal(16 - 6, pool.Free);
    }

    [Fact]
    public void A_follower_waits_for_the_writer_and_goes_on_where_it_left()
    {
        var pool = new BlockPool(16, share: true);
        var writer = Context(3 * Size);
        var follower = Context(3 * Size);
        pool.AddPrompt(writer);
        pool.AddPrompt(follower);
        Assert.Equal(3 * Size, writer.Available());
        Assert.Equal(0, follower.Available());
        writer.Advance(Size + 5);
        Assert.Equal(0, follower.Available());
        Assert.Equal(Size + 5, follower.Computed);
        pool.Release(writer);
        Assert.Equal(2 * Size - 5, follower.Available());
    }

    [Fact]
    public void Released_blocks_are_found_again_until_their_room_is_needed()
    {
        var pool = new BlockPool(3, share: true);
        var first = Context(Size + 1);
        pool.AddPrompt(first);
        first.Advance(Size + 1);
        pool.Release(first);
        Assert.Equal(3, pool.Free);

        var again = Context(Size + 1);
        pool.AddPrompt(again);
        Assert.Equal(1, again.Available());
        Assert.Equal(Size, pool.SharedPositions);
        pool.Release(again);

        var other = Context(3 * Size, start: 100);
        pool.AddPrompt(other);
        pool.Release(other);
        var late = Context(Size + 1);
        pool.AddPrompt(late);
        Assert.Equal(Size + 1, late.Available());
    }

    [Fact]
    public void Without_sharing_every_context_has_blocks_of_its_own()
    {
        var pool = new BlockPool(16, share: false);
        pool.AddPrompt(Context(40));
        pool.AddPrompt(Context(40));
        Assert.Equal(16 - 6, pool.Free);
    }

    [Fact]
    public void Growing_takes_all_or_nothing()
    {
        var pool = new BlockPool(3, share: true);
        var context = Context(Size);
        pool.AddPrompt(context);
        Assert.False(pool.TryGrow(context, 4 * Size));
        Assert.Equal(2, pool.Free);
        Assert.True(pool.TryGrow(context, 3 * Size));
        Assert.Equal(0, pool.Free);
    }

    private static Context Context(int length, Variant variant = Variant.Base, int start = 0)
    {
        var branch = new Branch("b", variant, [.. Enumerable.Range(start, length)], 1);
        var plan = new GuidancePlan([branch], 0, 0, 0, -1e4f, []);
        return new Sequence(plan, new SamplingParams(), 8, 0, null, new ResultSink()).Contexts[0];
    }
}
