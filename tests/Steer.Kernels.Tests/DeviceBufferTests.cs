namespace Steer.Kernels.Tests;

/// <summary>Device memory: zero at first, copied in whole and in part, in order with kernels.</summary>
[Collection(DeviceCollection.Name)]
public sealed class DeviceBufferTests(DeviceSet devices)
{
    [Theory]
    [OnEveryDevice]
    public void Memory_is_zero_also_where_it_was_used_before(string device)
    {
        for (int i = 0; i < 3; i++)
        {
            using DeviceBuffer<int> buffer = devices[device].Allocate<int>(10_000);
            var numbers = new int[10_000];
            buffer.Download(numbers);
            Assert.All(numbers, n => Assert.Equal(0, n));
            Array.Fill(numbers, -1);
            buffer.Upload(numbers);
        }
    }

    [Theory]
    [OnEveryDevice]
    public void Parts_are_copied_to_and_from_where_they_belong(string device)
    {
        using DeviceBuffer<long> buffer = devices[device].Allocate<long>(7);
        buffer.Upload([1, 2, 3], 2);
        buffer.Upload([], 7);
        buffer.Upload([4], 6);
        var part = new long[4];
        buffer.Download(part, 3);
        buffer.Download([], 7);
        Assert.Equal([2L, 3, 0, 4], part);
        Assert.Equal(7, buffer.Length);
    }

    [Theory]
    [OnEveryDevice]
    public void Structs_of_a_guided_step_keep_their_fields(string device)
    {
        using DeviceBuffer<GuideRow> buffer = devices[device].Allocate<GuideRow>(2);
        var row = new GuideRow { BranchStart = 3, TopP = 0.5f, Seed = ulong.MaxValue - 1, Step = 17, Alternatives = 5 };
        buffer.Upload([row], 1);
        var rows = new GuideRow[2];
        buffer.Download(rows);
        Assert.Equal([default, row], rows);
    }

    [Theory]
    [OnEveryDevice]
    public void A_buffer_may_be_empty(string device)
    {
        using DeviceBuffer<float> buffer = devices[device].Allocate<float>(0);
        buffer.Upload([]);
        buffer.Download([]);
        Assert.Equal(0, buffer.Length);
    }

    [Theory]
    [OnEveryDevice]
    public void Ranges_outside_are_refused(string device)
    {
        using DeviceBuffer<float> buffer = devices[device].Allocate<float>(4);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Upload(new float[5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Upload(new float[1], 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Download(new float[2], 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Download(new float[1], -1));
        Assert.ThrowsAny<ArgumentException>(() => devices[device].Allocate<float>(-1));
    }

    [Theory]
    [OnEveryDevice]
    public void More_memory_than_there_is_is_an_OutOfMemoryException(string device) =>
        Assert.Throws<OutOfMemoryException>(() => devices[device].Allocate<float>(1L << 50));

    [Theory]
    [OnEveryDevice]
    public void Copies_and_kernels_run_in_the_order_of_their_calls(string device)
    {
        using var work = new Workspace(devices[device]);
        DeviceBuffer<float> buffer = work.Buffer(1f, 2f, 3f);
        var tensor = new Tensor(buffer, 1, 3);
        var seen = new List<float[]>();
        foreach (float scale in new[] { 2f, -1f })
        {
            work.Device.ScaleAndCap(tensor, scale, 0);
            var numbers = new float[3];
            buffer.Download(numbers);
            seen.Add(numbers);
            buffer.Upload([10], 1);
            work.Device.Add(tensor, tensor, 1);
        }

        work.Device.Synchronize();
        var last = new float[3];
        buffer.Download(last);
        Assert.Equal([2f, 4, 6], seen[0]);
        Assert.Equal([-4f, -20, -12], seen[1]);
        Assert.Equal([-8f, 20, -24], last);
    }
}
