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
