using Steer.Kernels.Gpu;
using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Host;

/// <summary>Numbers in memory that point outside an array, and sizes at the edge: the CPU device reads them itself and refuses, or does, what is asked.</summary>
public sealed class HostBoundsTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(-1)]
    public void A_row_of_a_context_that_is_not_there_is_refused(int context)
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        using var work = new Workspace(device);
        var paging = new Paging(work, [4], 1, 1, 8);
        ForwardBatch batch = paging.Batch([(0, 0)]);
        batch.RowContext.Upload([context]);
        Tensor q = work.Tensor(1, 8), y = work.Tensor(1, 8);
        Assert.Throws<ArgumentException>(() => device.Attention(q, paging.Cache, 0, batch, new AttentionParams(1, 0, 0, null), y));
    }

    [Fact]
    public void A_step_that_no_room_was_reserved_for_is_refused()
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        using var work = new Workspace(device);
        GuideBatch guide = work.Own(new GuideBatch(device, 1, 1, 8, 0, 0, 1, [0]) { Sequences = 1 });
        DecodeBatch decode = work.Own(new DecodeBatch(device, guide, maxSteps: 2, maxStops: 0) { Branches = 1 });
        guide.Rows.Upload([new GuideRow { BranchCount = 1, VocabSize = 8, Alternatives = 1 }]);
        decode.Rows.Upload([new DecodeRow { MaxTokens = 10 }]);
        device.Advance(guide, decode, []);
        device.Advance(guide, decode, []);
        Assert.Throws<ArgumentException>(() => device.Advance(guide, decode, []));
        decode.Rows.Upload([new DecodeRow { MaxTokens = 10, StopCount = 2 }]);
        Assert.Throws<ArgumentException>(() => device.Advance(guide, decode, []));
    }

    [Fact]
    public void A_step_with_branches_outside_those_of_its_batch_is_refused()
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        using var work = new Workspace(device);
        GuideBatch guide = work.Own(new GuideBatch(device, 1, 3, 8, 0, 0, 0, []) { Sequences = 1 });
        DecodeBatch decode = work.Own(new DecodeBatch(device, guide, maxSteps: 1, maxStops: 0) { Branches = 2 });
        decode.Rows.Upload([new DecodeRow { MaxTokens = 10 }]);
        guide.Rows.Upload([new GuideRow { BranchStart = 1, BranchCount = 2 }]);
        Assert.Throws<ArgumentException>(() => device.Advance(guide, decode, []));
    }

    [Fact]
    public void A_guided_batch_goes_from_a_device_to_one_of_more_threads()
    {
        const int Sequences = 12;
        using HostDevice one = new(new HostDeviceOptions { Threads = 1 }), three = new(new HostDeviceOptions { Threads = 3 });
        using GuideBatch batch = Greedy(one, Sequences, vocabSize: 50_000);
        one.GuideAndSample(batch);
        for (int i = 0; i < 20; i++)
            three.GuideAndSample(batch);
        var results = new GuideResult[Sequences];
        batch.Results.Download(results);
        Assert.Equal(Enumerable.Range(0, Sequences), results.Select(r => r.Token));
    }

    [Fact]
    public void A_guided_batch_in_the_memory_of_another_kind_of_device_is_refused()
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        using var other = IlgpuDevice.Create("ilgpu-cpu");
        using GuideBatch batch = Greedy(other, sequences: 1, vocabSize: 16);
        Assert.Throws<ArgumentException>(() => device.GuideAndSample(batch));
    }

    [Fact]
    public void A_weight_of_no_output_features_gives_nothing()
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        using var work = new Workspace(device);
        PackedWeight weight = work.Weight(new Matrix(0, 4));
        GuardedTensor y = work.Tensor(3, 0);
        device.MatMul(work.Tensor(3, 4), [new MatMulGroup(0, 3, weight, null)], y);
        Assert.Empty(y.Read().Data);
    }

    // The low-rank numbers of twelve rows take more than a thread's stack.
    [Fact]
    public void A_rank_may_be_of_any_size()
    {
        const int Rows = 12, Rank = 200_000;
        using var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        using var work = new Workspace(device);
        LoraWeight weight = work.Own(device.PackLora(1, 1, [new LoraSegment(0, 1, new Ones(Rank, 1), new Ones(1, Rank))]));
        GuardedTensor x = work.Tensor(Rows, 1), y = work.Tensor(Rows, 1);
        var numbers = new Matrix(Rows, 1);
        Array.Fill(numbers.Data, 1);
        x.Write(numbers);
        device.LoraDelta(x, [new LoraGroup(0, Rows, weight)], y);
        Assert.All(y.Read().Data, sum => Assert.Equal(Rank, sum));
    }

    // Sequence s has its best logit at token s.
    private static GuideBatch Greedy(Device device, int sequences, int vocabSize)
    {
        var batch = new GuideBatch(device, sequences, sequences, vocabSize, 0, 0, 0, [0]) { Sequences = sequences };
        var logits = new float[sequences * vocabSize];
        for (int s = 0; s < sequences; s++)
            logits[(s * vocabSize) + s] = 1;
        batch.Logits.Buffer.Upload(logits, batch.Logits.Offset);
        batch.Branches.Upload([.. Enumerable.Range(0, sequences).Select(s => new GuideBranch { LogitsRow = s, Weight = 1, GroupSize = 1 })]);
        batch.Rows.Upload([.. Enumerable.Range(0, sequences).Select(s => new GuideRow
        {
            BranchStart = s, BranchCount = 1, VocabSize = vocabSize, Floor = -1e4f, RepetitionPenalty = 1, TopP = 1, TypicalP = 1, ForcedToken = -1,
            PenaltySlot = -1,
        })]);
        return batch;
    }

    private sealed class Ones(int rows, int columns) : WeightMatrix(rows, columns)
    {
        public override void ReadRow(int row, Span<float> destination) => destination.Fill(1);
    }
}
