using Steer.Kernels.Host;
using Steer.Kernels.Profiling;

namespace Steer.Kernels.Tests.Profiling;

/// <summary>A profiled device computes what the device itself computes, and notes what each call cost.</summary>
public sealed class ProfiledDeviceTests
{
    [Fact]
    public void Products_are_told_apart_by_shape_and_have_the_bits_of_the_device_itself()
    {
        Matrix x = Matrix.Random(1, 5, 64), small = Matrix.Random(2, 32, 64), large = Matrix.Random(3, 96, 64);
        var format = new WeightFormat(DType.BF16, RoundActivations: true);
        using var plain = new Workspace(new HostDevice(new HostDeviceOptions { Threads = 2 }));
        using var device = new ProfiledDevice(new HostDevice(new HostDeviceOptions { Threads = 2 }));
        using var work = new Workspace(device);
        foreach (var (weight, calls) in new[] { (small, 2), (large, 1) })
        {
            GuardedTensor expected = plain.Tensor(5, weight.Rows), actual = work.Tensor(5, weight.Rows);
            PackedWeight packed = work.Weight(weight, format);
            plain.Device.MatMul(plain.Tensor(x), [new MatMulGroup(0, 5, plain.Weight(weight, format), null)], expected);
            for (int i = 0; i < calls; i++)
                device.MatMul(work.Tensor(x), [new MatMulGroup(0, 2, packed, null), new MatMulGroup(2, 3, packed, null)], actual);
            Assert.Equal(expected.Read().Data, actual.Read().Data);
        }

        var timings = device.Profile.Take().OrderBy(t => t.Id.N).ToList();
        Assert.Equal([new KernelId("MatMul", 32, 64, format), new KernelId("MatMul", 96, 64, format)], timings.Select(t => t.Id));
        Assert.Equal([2, 1], timings.Select(t => t.Calls));
        Assert.Equal([2 * 2.0 * 5 * 32 * 64, 2.0 * 5 * 96 * 64], timings.Select(t => t.Cost.Operations));
        // Activations in and out are float32.
        Assert.Equal([2 * 4.0 * 5 * (32 + 64), 4.0 * 5 * (96 + 64)], timings.Select(t => t.Cost.PassedBytes));
        Assert.All(timings, t => Assert.True(t is { Seconds: > 0, Cost.StoredBytes: > 0 }));
        Assert.Empty(device.Profile.Take());
        plain.Device.Dispose();
    }

    [Theory]
    [InlineData(0, 40 + 3 + 19 + 20 + 21, 40 + 3 + 21)]
    [InlineData(4, 4 + 3 + 4 + 4 + 4, 4 + 3 + 6)]
    public void Attention_counts_what_rows_see_and_what_is_read_for_them(int window, int seen, int read)
    {
        using var device = new ProfiledDevice(new HostDevice(new HostDeviceOptions { Threads = 1 }));
        using var work = new Workspace(device);
        var paging = new Paging(work, [40, 3, 21], layers: 2, kvHeads: 2, headDim: 32, DType.BF16);
        // A single row, one that sees less than the window, and three of one context.
        ForwardBatch batch = paging.Batch([(0, 39), (1, 2), (2, 18), (2, 19), (2, 20)]);
        GuardedTensor q = work.Tensor(Matrix.Random(1, 5, 4 * 32)), y = work.Tensor(5, 4 * 32);
        device.Attention(q, paging.Cache, 1, batch, new AttentionParams(0.1f, window, 0, null), y);

        var timing = Assert.Single(device.Profile.Take());
        Assert.Equal(nameof(Device.Attention), timing.Id.Kernel);
        // Two products of 4 heads of 32, and an exponential for each head.
        Assert.Equal(seen * ((4.0 * 4 * 32) + (4 * KernelCost.Exponential)), timing.Cost.Operations);
        // Keys and values of 2 heads of 32 in two bytes.
        Assert.Equal(read * 2.0 * 2 * 32 * 2, timing.Cost.StoredBytes);
    }

    [Fact]
    public void An_adapter_costs_its_two_products()
    {
        using var device = new ProfiledDevice(new HostDevice(new HostDeviceOptions { Threads = 1 }));
        using var work = new Workspace(device);
        var segments = new[]
        {
            new LoraSegment(0, 32, new MatrixWeight(Matrix.Random(1, 8, 64)), new MatrixWeight(Matrix.Random(2, 32, 8))),
            new LoraSegment(32, 16, new MatrixWeight(Matrix.Random(3, 4, 64)), new MatrixWeight(Matrix.Random(4, 16, 4))),
        };
        LoraWeight adapter = work.Own(device.PackLora(48, 64, segments));
        device.LoraDelta(work.Tensor(6, 64), [new LoraGroup(1, 5, adapter)], work.Tensor(6, 48));
        Assert.Equal(2.0 * 5 * ((8 * (64 + 32)) + (4 * (64 + 16))), Assert.Single(device.Profile.Take()).Cost.Operations);
    }

    [Fact]
    public void Limits_are_measured_with_any_number_of_threads()
    {
        var job = new MultiplyAddJob();
        Assert.Null(Record.Exception(() => job.Run(part: 5000)));
    }

    [Fact]
    public void Where_memory_to_read_runs_out_what_was_taken_is_given_back()
    {
        var taken = new List<HostBuffer<byte>>();
        Assert.Throws<OutOfMemoryException>(() => new ReadJob(3, 3 << 20, bytes =>
        {
            if (taken.Count == 2)
                throw new OutOfMemoryException("No more memory.");
            taken.Add(new HostBuffer<byte>(bytes));
            return taken[^1];
        }));
        Assert.Equal(2, taken.Count);
        Assert.All(taken, buffer => Assert.Throws<ObjectDisposedException>(() => buffer.Upload([1])));
    }

    [Fact]
    public void Limits_are_measured_and_a_small_working_set_is_never_held_against_a_slower_rate_than_its_own()
    {
        using var limits = new MachineLimits(threads: 1);
        Assert.True(limits is { Float32: > 0, BF16: > 0, Int8: > 0, Memory: > 0 });
        Assert.Equal(limits.Memory, limits.BytesPerSecond(1e12));
        Assert.Equal(limits.BytesPerSecond(0), limits.BytesPerSecond(1000));
        Assert.Equal(1, limits.Seconds(0, limits.Memory), 1e-9);
        Assert.Equal(1, limits.Seconds(limits.Float32, 0), 1e-9);
        Assert.Equal(limits.Int8, limits.OperationsPerSecond(new WeightFormat(DType.Int4, RoundActivations: true)));
    }
}
