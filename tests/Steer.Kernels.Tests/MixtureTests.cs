using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests;

/// <summary>Route, MatMulExperts and CombineExperts against float64.</summary>
[Collection(DeviceCollection.Name)]
public sealed class MixtureTests(DeviceSet devices)
{
    [Theory]
    [OnEveryDevice(false)]
    [OnEveryDevice(true)]
    public void Route_takes_the_best_experts_of_a_softmax(string device, bool normalise)
    {
        foreach ((int rows, int experts, int k) in new[] { (1, 1, 1), (5, 8, 2), (13, 17, 4), (3, 60, 8), (2, 6, 6) })
            Route(device, Matrix.Random(experts, rows, experts, 2), k, normalise);
    }

    [Theory]
    [OnEveryDevice(false)]
    [OnEveryDevice(true)]
    public void Route_takes_the_lower_index_where_experts_are_equal(string device, bool normalise)
    {
        Route(device, Matrix.Of(1, 3, 3, 2, 3, 1), 2, normalise);
        Route(device, Matrix.Of(0, 0, 0, 0, 0, 0, 0, 0, 0), 3, normalise);
        Route(device, Matrix.Of(-1, 2, -1, 5, 2, 2), 4, normalise);
    }

    [Theory]
    [OnEveryDevice(DType.F32)]
    [OnEveryDevice(DType.BF16)]
    public void Experts_multiply_the_rows_that_chose_them(string device, DType type)
    {
        foreach ((int rows, int fanOut, int k, int n) in new[] { (1, 2, 16, 32), (5, 2, 33, 47), (3, 4, 20, 7), (4, 1, 12, 40) })
        {
            using var work = new Workspace(devices[device]);
            Matrix[] experts = [.. Enumerable.Range(0, 5).Select(e => Matrix.Random(100 + e, n, k))];
            // Some experts have several rows, some none; not in order.
            int[] ids = [.. Enumerable.Range(0, rows * fanOut).Select(i => (7 * i + 3) % 4)];
            Matrix x = Matrix.Random(1, rows, k);
            GuardedTensor y = work.Tensor(rows * fanOut, n);
            work.Device.MatMulExperts(
                work.Tensor(x), [.. experts.Select(e => work.Weight(e, type))], work.Buffer(ids), fanOut, y);
            MixtureReference.MatMul(x, [.. experts.Select(e => e.RoundedTo(type))], ids, fanOut).AssertClose(y.Read(), $"fan-out {fanOut}");
        }
    }

    [Theory]
    [OnEveryDevice]
    public void Combine_adds_the_weighted_experts(string device)
    {
        foreach ((int rows, int k, int columns) in new[] { (1, 1, 1), (5, 2, 33), (3, 8, 50) })
        {
            using var work = new Workspace(devices[device]);
            Matrix x = Matrix.Random(2, rows * k, columns), weights = Matrix.Random(3, rows, k);
            GuardedTensor y = work.Tensor(rows, columns);
            work.Device.CombineExperts(work.Tensor(x), work.Tensor(weights), y);
            MixtureReference.Combine(x, weights).AssertClose(y.Read());
        }
    }

    private void Route(string device, Matrix logits, int k, bool normalise)
    {
        using var work = new Workspace(devices[device]);
        DeviceBuffer<int> ids = work.Own(work.Device.Allocate<int>(logits.Rows * k));
        GuardedTensor weights = work.Tensor(logits.Rows, k);

        work.Device.Route(work.Tensor(logits), normalise, ids, weights);

        (int[] expectedIds, Expected expectedWeights) = MixtureReference.Route(logits, k, normalise);
        var actualIds = new int[ids.Length];
        ids.Download(actualIds);
        Assert.Equal(expectedIds, actualIds);
        expectedWeights.AssertClose(weights.Read());
    }
}
