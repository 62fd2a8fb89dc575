using System.Runtime.CompilerServices;
using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Host;

/// <summary>What holds for the CPU device alone: options, memory, and a steady state without garbage.</summary>
public sealed class HostDeviceTests
{
    [Fact]
    public void Options_are_checked_and_described()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new HostDevice(new HostDeviceOptions { Threads = -1 }));
        Assert.Throws<ArgumentException>(() => new HostDevice(new HostDeviceOptions { InstructionSet = (InstructionSet)100 }));
        using var device = new HostDevice(new HostDeviceOptions { Threads = 3, InstructionSet = InstructionSet.Vector128 });
        Assert.StartsWith("cpu: ", device.Description, StringComparison.Ordinal);
        Assert.EndsWith(", 3 threads, 128-bit vectors", device.Description, StringComparison.Ordinal);
        using var standard = new HostDevice();
        Assert.Equal(Environment.ProcessorCount, standard.Threads);
    }

    [Fact]
    public void Memory_that_cannot_be_is_refused()
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        Assert.Throws<OutOfMemoryException>(() => device.Allocate<float>(1L << 50));
        Assert.Throws<OutOfMemoryException>(() => device.CreateKvCache(new KvCacheShape(1000, 1 << 28, 100, 128)));
        Assert.Throws<OutOfMemoryException>(() => device.Pack([new Endless()], DType.F32));
    }

    [Fact]
    public void What_was_given_back_is_not_used()
    {
        var device = new HostDevice(new HostDeviceOptions { Threads = 2 });
        using DeviceBuffer<float> alive = device.Allocate<float>(8);
        DeviceBuffer<float> buffer = device.Allocate<float>(8);
        PackedWeight weight = device.Pack([new MatrixWeight(Matrix.Random(1, 8, 8))], DType.F32);
        var x = new Tensor(alive, 1, 8);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.Upload([1f]));
        Assert.Throws<ObjectDisposedException>(() => device.Add(x, new Tensor(buffer, 1, 8), 1));
        weight.Dispose();
        weight.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.MatMul(x, [new MatMulGroup(0, 1, weight, null)], x));
        device.Dispose();
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.Allocate<float>(1));
        Assert.Throws<ObjectDisposedException>(() => device.Add(x, x, 1));
    }

    [Fact]
    public void A_device_that_was_given_back_runs_no_kernel()
    {
        // Work so small that no thread of the team would be asked for it.
        using var alive = new HostDevice(new HostDeviceOptions { Threads = 1 });
        using var work = new Workspace(alive);
        Tensor x = work.Tensor(Matrix.Random(1, 4, 16)), y = work.Tensor(4, 16), one = work.Tensor(4, 1);
        PackedWeight weight = work.Weight(Matrix.Random(2, 16, 16));
        LoraSegment[] segments =
            [new(0, 16, new MatrixWeight(Matrix.Random(3, 2, 16)), new MatrixWeight(Matrix.Random(4, 16, 2)))];
        LoraWeight adapter = work.Own(alive.PackLora(16, 16, segments));
        DeviceBuffer<float> numbers = work.Buffer(Matrix.Random(5, 1, 16).Data);
        var norm = new NormWeight(NormKind.Rms, 1e-5f, 16, numbers, null);
        DeviceBuffer<int> ids = work.Buffer([0, 0, 0, 0]);
        var paging = new Paging(work, [4], 1, 1, 16);
        ForwardBatch batch = paging.Batch([.. Enumerable.Range(0, 4).Select(p => (0, p))]);
        GuideBatch guide = work.Own(Guide(alive));
        DecodeBatch decode = work.Own(new DecodeBatch(alive, guide, 1, 1));

        var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        device.Dispose();
        Action[] all =
        [
            () => device.Pack([new MatrixWeight(Matrix.Random(6, 8, 8))], DType.F32),
            () => device.PackLora(16, 16, segments),
            () => device.Embed(ids, 0, weight, 1, false, x),
            () => device.Norm(x, norm, y),
            () => device.AddNorm(x, y, 1, norm, y),
            () => device.Add(x, y, 1),
            () => device.MatMul(x, [new MatMulGroup(0, 4, weight, null)], y),
            () => device.LoraDelta(x, [new LoraGroup(0, 4, adapter)], y),
            () => device.RopeAngles(batch.Positions, numbers, 1, work.Tensor(4, 32)),
            () => device.RopeAndCache(x, y, y, null, RopeLayout.Half, batch, paging.Cache, 0),
            () => device.Attention(x, paging.Cache, 0, batch, new AttentionParams(1, 0, 0, null), y),
            () => device.Activate(x, Activation.Silu, false, y),
            () => device.ScaleAndCap(y, 1, 30),
            () => device.Gather(x, ids, y),
            () => device.Route(x, true, ids, one),
            () => device.MatMulExperts(x, [weight], ids, 1, y),
            () => device.CombineExperts(x, one, y),
            () => device.GuideAndSample(guide),
            () => device.Advance(guide, decode, []),
        ];
        Assert.All(all, kernel => Assert.Throws<ObjectDisposedException>(kernel));
    }

    [Fact]
    public void NaN_in_a_weight_is_named_by_its_place()
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 2 });
        Matrix first = Matrix.Random(1, 40, 9), second = Matrix.Random(2, 40, 9);
        second[3, 5] = float.NaN;
        var error = Assert.Throws<InvalidDataException>(() => device.Pack([new MatrixWeight(first), new MatrixWeight(second)], DType.BF16));
        Assert.Contains("Row 43, column 5", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(
            () => device.PackLora(40, 9, [new LoraSegment(0, 40, null, null, [.. Enumerable.Repeat(float.NaN, 40)])]));
    }

    [Fact]
    public void Kernels_allocate_nothing_once_they_are_warm()
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 2 });
        using var work = new Workspace(device);
        const int Rows = 20, Width = 64;
        Tensor x = work.Tensor(Matrix.Random(1, Rows, Width)), y = work.Tensor(Rows, Width), wide = work.Tensor(Rows, 2 * Width);
        Tensor weights = work.Tensor(Rows, 2), fanned = work.Tensor(2 * Rows, Width), angles = work.Tensor(Rows, 32);
        PackedWeight weight = work.Weight(Matrix.Random(2, Width, Width)), other = work.Weight(Matrix.Random(3, Width, Width), DType.BF16);
        LoraWeight adapter = work.Own(device.PackLora(
            Width, Width, [new LoraSegment(0, Width, new MatrixWeight(Matrix.Random(4, 8, Width)), new MatrixWeight(Matrix.Random(5, Width, 8)))]));
        var norm = new NormWeight(NormKind.Rms, 1e-5f, Width, work.Buffer(Matrix.Random(6, 1, Width).Data), null);
        DeviceBuffer<float> frequencies = work.Buffer(Matrix.Random(7, 1, 16).Data);
        DeviceBuffer<int> ids = work.Buffer(Ones);
        PackedWeight[] experts = [weight, other];
        MatMulGroup[] groups = [new(0, 7, weight, null), new(7, 9, other, null), new(16, 4, weight, null)];
        LoraGroup[] adapters = [new(0, 5, adapter), new(9, 11, adapter)];
        var paging = new Paging(work, [Rows], 1, 2, 32);
        ForwardBatch batch = paging.Batch([.. Enumerable.Range(0, Rows).Select(p => (0, p))]);
        GuideBatch guide = work.Own(Guide(device));
        var team = new AllocationJob(device.Team);

        void Step()
        {
            ids.Upload(Ones);
            device.Embed(ids, 0, weight, 1, false, x);
            device.RopeAngles(batch.Positions, frequencies, 1, angles);
            device.Norm(x, norm, y);
            device.AddNorm(x, y, 0.5f, norm, y);
            device.MatMul(y, groups, x);
            device.LoraDelta(y, adapters, x);
            device.RopeAndCache(x, y, y, angles, RopeLayout.Half, batch, paging.Cache, 0);
            device.Attention(x, paging.Cache, 0, batch, new AttentionParams(0.1f, 9, 0, null), y);
            device.Add(x, y, 1);
            device.Activate(wide, Activation.Silu, true, y);
            device.ScaleAndCap(y, 1, 30);
            device.Gather(x, ids, y);
            device.Route(x, true, ids, weights);
            device.MatMulExperts(x, experts, batch.RowContext, 1, y);
            device.CombineExperts(fanned, weights, y);
            device.GuideAndSample(guide);
            device.Synchronize();
        }

        for (int i = 0; i < 3; i++)
            Step();
        team.Measure();
        var before = team.Measure();
        // The measurement's own list is not the kernels' doing.
        before[Environment.CurrentManagedThreadId] = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
            Step();

        Assert.Equal(before, team.Measure());
        Assert.Equal(2, before.Count);
    }

    // Four sequences with a mask and top-p.
    private static GuideBatch Guide(Device device)
    {
        const int Sequences = 4, VocabSize = 500;
        var batch = new GuideBatch(device, Sequences, Sequences, VocabSize, 1, 0, 0, [2]) { Sequences = Sequences };
        batch.Logits.Buffer.Upload(Matrix.Random(8, Sequences, VocabSize).Data, batch.Logits.Offset);
        batch.Branches.Upload([.. Enumerable.Range(0, Sequences).Select(s => new GuideBranch { LogitsRow = s, Weight = 1, GroupSize = 1 })]);
        batch.Rows.Upload([.. Enumerable.Range(0, Sequences).Select(s => new GuideRow
        {
            BranchStart = s,
            BranchCount = 1,
            VocabSize = VocabSize,
            Alpha = 0.01f,
            Floor = -1e4f,
            RepetitionPenalty = 1,
            Temperature = 1,
            TopP = 0.9f,
            TypicalP = 1,
            ForcedToken = -1,
            PenaltySlot = -1,
        })]);
        return batch;
    }

    private static readonly int[] Ones = [.. Enumerable.Repeat(1, 40)];

    private sealed class Endless() : WeightMatrix(int.MaxValue, int.MaxValue)
    {
        [MethodImpl(MethodImplOptions.NoInlining)]
        public override void ReadRow(int row, Span<float> destination) => Assert.Fail("No memory, nothing to read.");
    }
}
