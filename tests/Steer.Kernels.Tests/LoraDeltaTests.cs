using Steer.Kernels.Gpu;
using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests;

/// <summary>LoraDelta against float64: ranks, segments of fused projections, several adapters in a batch, DoRA's column scales.</summary>
[Collection(DeviceCollection.Name)]
public sealed class LoraDeltaTests(DeviceSet devices)
{
    [Theory]
    [OnEveryDevice(1)]
    [OnEveryDevice(2)]
    [OnEveryDevice(5)]
    [OnEveryDevice(16)]
    [OnEveryDevice(33)]
    public void Every_rank_is_that_of_float64(string device, int rank)
    {
        foreach (int rows in new[] { 1, 2, 3, 5, 8, 13 })
        {
            Run(device, rows, 27, 39, [(0, rows, [LoraData.Random(rank, 0, 39, 27, rank)])]);
        }
    }

    [Theory]
    [OnEveryDevice]
    public void Segments_change_their_columns_of_a_fused_projection(string device)
    {
        // As query, key and value: the key has no adapter, the parts start inside a panel, the ranks differ.
        LoraData[] segments = [LoraData.Random(20, 0, 37, 24, 8), LoraData.Random(30, 50, 13, 24, 3), LoraData.Random(40, 63, 1, 24, 1)];
        Run(device, 7, 24, 70, [(0, 7, segments)]);
    }

    [Theory]
    [OnEveryDevice]
    public void Adapters_of_a_batch_change_their_own_rows(string device)
    {
        Run(
            device, 33, 40, 48,
            [
                (1, 6, [LoraData.Random(50, 0, 48, 40, 4)]),
                (7, 13, [LoraData.Random(60, 0, 20, 40, 9), LoraData.Random(70, 20, 28, 40, 16, scaled: true)]),
                (20, 0, [LoraData.Random(80, 0, 48, 40, 2)]),
                (25, 8, [LoraData.Random(90, 16, 16, 40, 7, shifted: true)]),
            ]);
    }

    [Theory]
    [OnEveryDevice]
    public void Columns_are_scaled_and_shifted_with_and_without_a_low_rank_part(string device)
    {
        LoraData scaleOnly = LoraData.Random(100, 0, 17, 21, 1, scaled: true) with { A = null, B = null };
        LoraData shiftOnly = LoraData.Random(110, 17, 9, 21, 1, shifted: true) with { A = null, B = null };
        LoraData both = LoraData.Random(120, 26, 14, 21, 6, scaled: true, shifted: true);
        Run(device, 5, 21, 40, [(0, 5, [scaleOnly, shiftOnly, both])]);
    }

    [Theory]
    [OnEveryDevice]
    public void A_batch_may_have_any_number_of_segments(string device)
    {
        LoraData[] Parts(int seed) => [LoraData.Random(seed, 0, 5, 12, 2), LoraData.Random(seed + 10, 5, 6, 12, 3), LoraData.Random(seed + 20, 11, 4, 12, 1)];
        Run(device, 9, 12, 15, [(0, 2, Parts(200)), (2, 1, Parts(300)), (3, 4, Parts(400)), (7, 2, Parts(500))]);
    }

    /// <summary>Several parts of k on a GPU, the last one a short one, and more ranks than a group takes at once; rows that begin at 16 bytes and others.</summary>
    [Theory]
    [OnEveryDevice]
    public void Rows_of_a_wide_projection_are_those_of_float64_and_the_same_bits_however_many(string device)
    {
        const int Rows = 18, K = 676, N = 150, Rank = 21;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(600, Rows, K), before = Matrix.Random(601, Rows, N);
        LoraData segment = LoraData.Random(610, 7, 140, K, Rank, scaled: true);
        LoraWeight weight = work.Own(work.Device.PackLora(N, K, [segment.Segment]));
        Matrix Delta(int start, int count, bool aligned)
        {
            Tensor input = aligned ? new Tensor(work.Buffer(x.Slice(start, count).Data), count, K) : work.Tensor(x.Slice(start, count));
            GuardedTensor y = work.Tensor(before.Slice(start, count));
            work.Device.LoraDelta(input, [new LoraGroup(0, count, weight)], y);
            return y.Read();
        }

        var expected = new Expected(Rows, N);
        for (int i = 0; i < before.Data.Length; i++)
            expected.Value[i] = before.Data[i];
        LoraReference.Apply(expected, x, 0, Rows, segment);
        Matrix all = Delta(0, Rows, aligned: true);
        expected.AssertClose(all);
        foreach ((int start, int count) in new[] { (0, 1), (5, 1), (Rows - 1, 1), (3, 8), (1, 9), (0, 17) })
        {
            Assert.Equal(all.Slice(start, count).Data, Delta(start, count, aligned: true).Data);
            Assert.Equal(all.Slice(start, count).Data, Delta(start, count, aligned: false).Data);
        }
    }

    /// <summary>On a GPU of one multiprocessor a group of threads takes many rows, one block after the other.</summary>
    [Theory]
    [OnEveryIlgpuDevice]
    public void Rows_are_the_same_bits_however_many_a_group_takes(string device)
    {
        const int Rows = 203, K = 260, N = 300;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(700, Rows, K), before = Matrix.Random(701, Rows, N);
        LoraData[] segments = [LoraData.Random(710, 0, 40, K, 16, shifted: true), LoraData.Random(720, 40, 260, K, 19, scaled: true)];
        LoraWeight weight = work.Own(work.Device.PackLora(N, K, [.. segments.Select(s => s.Segment)]));
        Matrix Delta(int multiprocessors)
        {
            GuardedTensor y = work.Tensor(before);
            LoraProduct.Run((IlgpuDevice)work.Device, work.Tensor(x), [new LoraGroup(2, Rows - 2, weight)], y, multiprocessors);
            return y.Read();
        }

        var expected = new Expected(Rows, N);
        for (int i = 0; i < before.Data.Length; i++)
            expected.Value[i] = before.Data[i];
        foreach (LoraData segment in segments)
            LoraReference.Apply(expected, x, 2, Rows - 2, segment);
        Matrix few = Delta(1);
        expected.AssertClose(few);
        Assert.Equal(few.Data, Delta(1000).Data);
    }

    [Theory]
    [OnEveryDevice]
    public void Adapters_that_hold_NaN_are_refused(string device)
    {
        LoraData data = LoraData.Random(130, 0, 8, 8, 2);
        data.B![7, 1] = float.NaN;
        Assert.Throws<InvalidDataException>(() => devices[device].PackLora(8, 8, [data.Segment]));
    }

    private void Run(string device, int rows, int k, int n, (int Start, int Count, LoraData[] Segments)[] groups)
    {
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(1, rows, k), before = Matrix.Random(2, rows, n);
        var expected = new Expected(rows, n);
        for (int i = 0; i < before.Data.Length; i++)
            expected.Value[i] = before.Data[i];
        var packed = new List<LoraGroup>();
        foreach ((int start, int count, LoraData[] segments) in groups)
        {
            packed.Add(new LoraGroup(start, count, work.Own(work.Device.PackLora(n, k, [.. segments.Select(s => s.Segment)]))));
            foreach (LoraData segment in segments)
                LoraReference.Apply(expected, x, start, count, segment);
        }

        GuardedTensor y = work.Tensor(before);
        work.Device.LoraDelta(work.Tensor(x), [.. packed], y);
        // Tolerances of rows and columns that nothing changed are 0: they must be the same bits.
        expected.AssertClose(y.Read(), $"{groups.Length} groups");
    }
}
