using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests;

/// <summary>Norm and AddNorm against float64.</summary>
[Collection(DeviceCollection.Name)]
public sealed class NormTests(DeviceSet devices)
{
    private const float Epsilon = 1e-5f;

    [Theory]
    [OnEveryDevice(NormKind.Rms, false)]
    [OnEveryDevice(NormKind.Layer, true)]
    [OnEveryDevice(NormKind.Layer, false)]
    public void Rows_are_normalised(string device, NormKind kind, bool biased)
    {
        foreach ((int rows, int columns) in new[] { (1, 1), (1, 16), (2, 33), (3, 48), (5, 7), (13, 100), (33, 64), (2, 517) })
            Run(device, kind, biased, Matrix.Random(columns, rows, columns), columns);
    }

    [Theory]
    [OnEveryDevice(NormKind.Rms)]
    [OnEveryDevice(NormKind.Layer)]
    public void Heads_are_normalised_one_by_one(string device, NormKind kind)
    {
        foreach ((int heads, int headDim) in new[] { (1, 8), (4, 16), (3, 20), (2, 80), (5, 3) })
            Run(device, kind, biased: true, Matrix.Random(headDim, 5, heads * headDim), headDim);
    }

    [Theory]
    [OnEveryDevice]
    public void A_large_mean_does_not_swallow_the_variance(string device)
    {
        // The difference of mean square and squared mean would have an error of 10^4 u, as large as the variance here, 10^-4.
        Matrix x = Matrix.Random(1, 3, 96, 0.01f);
        for (int i = 0; i < x.Data.Length; i++)
            x.Data[i] += 100;
        Run(device, NormKind.Layer, biased: true, x, 96);
    }

    [Theory]
    [OnEveryDevice(NormKind.Rms)]
    [OnEveryDevice(NormKind.Layer)]
    public void A_row_of_zeros_becomes_the_bias(string device, NormKind kind) => Run(device, kind, biased: true, new Matrix(2, 24), 24);

    [Theory]
    [OnEveryDevice]
    public void Result_may_take_the_place_of_the_input(string device)
    {
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(2, 5, 40), weight = Matrix.Random(3, 1, 40);
        GuardedTensor tensor = work.Tensor(x);
        work.Device.Norm(tensor, new NormWeight(NormKind.Rms, Epsilon, 20, work.Buffer(weight.Data), null), tensor);
        NormReference.Run(x, NormKind.Rms, Epsilon, 20, weight.Data, null).AssertClose(tensor.Read());
    }

    [Theory]
    [OnEveryDevice(NormKind.Rms, 1f)]
    [OnEveryDevice(NormKind.Layer, 0.22f)]
    public void AddNorm_adds_and_then_normalises_the_sum(string device, NormKind kind, float deltaScale)
    {
        foreach ((int rows, int columns) in new[] { (1, 64), (3, 35), (8, 50) })
        {
            using var work = new Workspace(devices[device]);
            Matrix x = Matrix.Random(4, rows, columns), delta = Matrix.Random(5, rows, columns);
            Matrix weight = Matrix.Random(6, 1, columns), bias = Matrix.Random(7, 1, columns);
            GuardedTensor sum = work.Tensor(x), y = work.Tensor(rows, columns);
            var norm = new NormWeight(kind, Epsilon, columns, work.Buffer(weight.Data), work.Buffer(bias.Data));

            work.Device.AddNorm(sum, work.Tensor(delta), deltaScale, norm, y);

            Matrix added = sum.Read();
            ElementwiseReference.Add(x, delta, deltaScale).AssertClose(added, "sum");
            NormReference.Run(added, kind, Epsilon, columns, weight.Data, bias.Data).AssertClose(y.Read(), "norm");
        }
    }

    private void Run(string device, NormKind kind, bool biased, Matrix x, int groupSize)
    {
        using var work = new Workspace(devices[device]);
        Matrix weight = Matrix.Random(8, 1, x.Columns), bias = Matrix.Random(9, 1, x.Columns);
        GuardedTensor y = work.Tensor(x.Rows, x.Columns);
        var norm = new NormWeight(kind, Epsilon, groupSize, work.Buffer(weight.Data), biased ? work.Buffer(bias.Data) : null);
        work.Device.Norm(work.Tensor(x), norm, y);
        NormReference.Run(x, kind, Epsilon, groupSize, weight.Data, biased ? bias.Data : null).AssertClose(y.Read(), $"groups of {groupSize}");
    }
}
