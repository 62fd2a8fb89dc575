using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Engine;

/// <summary>What each step holds: budgets, chunks, order, preemption.</summary>
public class SchedulerTests
{
    private static readonly Dictionary<Variant, int> OneDecoder = new() { [Variant.Base] = 0, [Variant.Expert] = 0 };

    [Fact]
    public void A_short_prompt_is_computed_and_drawn_from_in_one_step()
    {
        var (scheduler, plan) = Make(blocks: 100, new StepLimits(4, 64, 16));
        scheduler.Enqueue(Sequence(10, 20));
        scheduler.Schedule(plan);
        Assert.Equal([10, 20], plan.Rows.Select(r => r.Count));
        Assert.All(plan.Rows, r => Assert.Equal(1, r.Logits));
        Assert.Equal((1, 28), (plan.Draws.Count, plan.PrefillRows));
    }

    [Fact]
    public void A_long_prompt_comes_in_chunks_and_its_last_token_waits_for_all_branches()
    {
        var (scheduler, plan) = Make(blocks: 100, new StepLimits(4, 32, 16));
        var sequence = Sequence(10, 100);
        scheduler.Enqueue(sequence);
        int steps = 0;
        for (scheduler.Schedule(plan); plan.Draws.Count == 0; scheduler.Schedule(plan), steps++)
        {
            Assert.True(plan.Rows.Sum(r => r.Count) <= 32);
            Assert.All(plan.Rows, r => Assert.Equal(0, r.Logits));
        }

        Assert.Equal(1, plan.Rows.Single(r => r.Context == sequence.Contexts[0]).Count);
        Assert.True(steps >= 3);
        Assert.Equal(sequence.Contexts[0].Length, sequence.Contexts[0].Computed);
        Assert.Equal(sequence.Contexts[1].Length, sequence.Contexts[1].Computed);
    }

    [Fact]
    public void Texts_that_run_draw_in_every_step_beside_a_long_prompt()
    {
        var (scheduler, plan) = Make(blocks: 100, new StepLimits(4, 32, 16));
        var running = Sequence(5);
        scheduler.Enqueue(running);
        scheduler.Schedule(plan);
        running.Generated.Add(1);
        scheduler.Enqueue(Sequence(200));
        for (int step = 0; step < 5; step++)
        {
            scheduler.Schedule(plan);
            Assert.Contains(plan.Draws, d => d.Sequence == running);
            Assert.Equal(32, plan.Rows.Sum(r => r.Count));
            running.Generated.Add(1);
        }
    }

    [Fact]
    public void The_youngest_gives_its_cache_back_and_returns_with_its_tokens()
    {
        var (scheduler, plan) = Make(blocks: 4, new StepLimits(4, 64, 16));
        var old = Sequence(16);
        var young = Sequence([15], forced: 0, start: 500);
        scheduler.Enqueue(old);
        scheduler.Enqueue(young);
        scheduler.Schedule(plan);
        Assert.Equal(2, plan.Draws.Count);
        while (plan.Preempted.Count == 0)
        {
            foreach (var (sequence, _) in plan.Draws)
                sequence.Generated.Add(sequence.Generated.Count);
            scheduler.Schedule(plan);
        }

        Assert.Equal([young], plan.Preempted);
        Assert.Equal([old], scheduler.Running);
        Assert.NotEmpty(young.Generated);
        scheduler.Remove(old);
        scheduler.Schedule(plan);
        Assert.Equal(young.Contexts[0].Length, plan.Rows.Single().Count + plan.Rows.Single().Start);
        Assert.Equal([young], plan.Draws.Select(d => d.Sequence));
    }

    [Fact]
    public void Known_tokens_are_drawn_many_at_a_time()
    {
        var (scheduler, plan) = Make(blocks: 100, new StepLimits(4, 64, 48));
        scheduler.Enqueue(Sequence([10, 10], forced: 100));
        scheduler.Schedule(plan);
        Assert.Equal(23, plan.Draws.Single().Draws); // (64 rows - 20 of prompts) / 2 contexts, and one more on their last rows
        Assert.All(plan.Rows, r => Assert.Equal(32, r.Count));
    }

    [Theory]
    [InlineData(1, 1, 100, 16)] // one text and room for it
    [InlineData(2, 2, 100, 16)] // two of them
    [InlineData(2, 1, 100, 4)] // the second waits for its place, which should not stay empty for long
    [InlineData(1, 1, 2, 2)] // 29 positions are taken of 32, and each step takes one more, as does the one that follows
    public void Decode_steps_follow_each_other_as_far_as_the_cache_and_others_allow(int texts, int maxSequences, int blocks, int steps)
    {
        var (scheduler, plan) = Make(blocks, new StepLimits(maxSequences, 64, 16, MaxSteps: 16));
        for (int i = 0; i < texts; i++)
            scheduler.Enqueue(Sequence([28], 0, start: 100 * i));
        scheduler.Schedule(plan);
        Assert.Equal(1, plan.Steps);
        Draw(plan);
        scheduler.Schedule(plan);
        Assert.Equal(steps, plan.Steps);
        Assert.All(plan.Rows, r => Assert.Equal((29, 28, 1), (r.Context.Length, r.Start, r.Count)));
        Assert.All(plan.Rows, r => Assert.Equal(28 + steps, r.Context.Computed));
        Assert.All(plan.Rows, r => Assert.True(16 * r.Context.Blocks.Count >= 29 + steps));
        for (int i = 0; i < steps; i++)
            Draw(plan);
        scheduler.Schedule(plan);
        Assert.All(plan.Rows, r => Assert.Equal((28 + steps, 1), (r.Start, r.Count)));
    }

    [Fact]
    public void Steps_do_not_go_beyond_the_most_tokens_and_known_tokens_are_not_queued()
    {
        var limits = new StepLimits(4, 64, 16, MaxSteps: 16);
        var (scheduler, plan) = Make(100, limits);
        scheduler.Enqueue(Sequence([10], 0, maxTokens: 6));
        scheduler.Schedule(plan);
        Draw(plan);
        scheduler.Schedule(plan);
        Assert.Equal(5, plan.Steps);
        Assert.True(scheduler.MayRunAhead(plan));

        (scheduler, plan) = Make(100, limits);
        scheduler.Enqueue(Sequence([10], forced: 100));
        scheduler.Schedule(plan);
        Assert.Equal(1, plan.Steps);
        Assert.False(scheduler.MayRunAhead(plan));
    }

    private static void Draw(StepPlan plan)
    {
        foreach (var (sequence, _) in plan.Draws)
            sequence.Generated.Add(7);
    }

    private static (Scheduler Scheduler, StepPlan Plan) Make(int blocks, StepLimits limits) =>
        (new Scheduler([new BlockPool(blocks, share: true)], OneDecoder, limits), new StepPlan());

    private static Sequence Sequence(params int[] lengths) => Sequence(lengths, 0);

    private static Sequence Sequence(int[] lengths, int forced, int start = 0, int maxTokens = 1000)
    {
        var branches = lengths.Select((length, i) => new Branch(
            $"b{i}", i == 0 ? Variant.Expert : Variant.Base, [.. Enumerable.Range(start + 1000 * i, length)], 1));
        return new Sequence(new GuidancePlan([.. branches], 0, 0, 0, -1e4f, []), new SamplingParams(), maxTokens, 0, null, new ResultSink())
        {
            Forced = forced > 0 ? new int[forced] : null,
        };
    }
}
