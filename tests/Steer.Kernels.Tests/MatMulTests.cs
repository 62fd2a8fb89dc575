using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests;

/// <summary>MatMul against float64, on the CPU device against the one order of additions that the contract allows there, and its groups.</summary>
[Collection(DeviceCollection.Name)]
public sealed class MatMulTests(DeviceSet devices)
{
    /// <summary>Rows around every tile height, columns and depths that fill no tile, one and many panels.</summary>
    private static readonly (int Rows, int K, int N)[] Sizes =
    [
        (1, 1, 1), (1, 64, 96), (2, 7, 33), (3, 100, 31), (5, 48, 65), (8, 33, 17), (12, 16, 32), (13, 37, 50), (33, 65, 70), (5, 608, 40),
    ];

    [Theory]
    [OnEveryDevice(DType.F32)]
    [OnEveryDevice(DType.BF16)]
    [OnEveryDevice(DType.F16)]
    [OnEveryDevice(DType.Int8)]
    [OnEveryDevice(DType.Int4)]
    public void Product_is_that_of_float64(string device, DType type)
    {
        foreach ((int rows, int k, int n) in Sizes)
        {
            using var work = new Workspace(devices[device]);
            Matrix x = Matrix.Random(1, rows, k), weight = Matrix.Random(2, n, k);
            GuardedTensor y = work.Tensor(rows, n);
            work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, rows, work.Weight(weight, type), null)], y);
            MatMulReference.Run(x, weight.RoundedTo(type)).AssertClose(y.Read(), $"k {k}");
        }
    }

    [Theory]
    [OnEveryDevice(DType.F32, float.NaN)]
    [OnEveryDevice(DType.BF16, float.NaN)]
    [OnEveryDevice(DType.F16, float.NaN)]
    [OnEveryDevice(DType.F16, 70000f)]
    [OnEveryDevice(DType.Int8, float.PositiveInfinity)]
    [OnEveryDevice(DType.Int4, float.NegativeInfinity)]
    public void A_weight_that_its_type_cannot_hold_is_refused(string device, DType type, float number)
    {
        using var work = new Workspace(devices[device]);
        Matrix weight = Matrix.Random(1, 40, 300);
        weight[39, 299] = number;
        Assert.Throws<InvalidDataException>(() => work.Weight(weight, type));
    }

    /// <summary>Several parts of k on a GPU; activations that are read in place, and others.</summary>
    [Theory]
    [OnEveryIlgpuDevice(DType.F32)]
    [OnEveryIlgpuDevice(DType.BF16)]
    [OnEveryIlgpuDevice(DType.F16)]
    [OnEveryIlgpuDevice(DType.Int8)]
    [OnEveryIlgpuDevice(DType.Int4)]
    public void A_row_is_the_same_bits_in_either_kernel_and_wherever_it_lies(string device, DType type)
    {
        const int Rows = 13, K = 608, N = 40;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(16, Rows, K);
        PackedWeight weight = work.Weight(Matrix.Random(17, N, K), type);
        Matrix Multiply(int start, int count, bool aligned)
        {
            Tensor input = aligned ? new Tensor(work.Buffer(x.Slice(start, count).Data), count, K) : work.Tensor(x.Slice(start, count));
            GuardedTensor y = work.Tensor(count, N);
            work.Device.MatMul(input, [new MatMulGroup(0, count, weight, null)], y);
            return y.Read();
        }

        Matrix all = Multiply(0, Rows, aligned: true);
        foreach ((int start, int count) in new[] { (0, 1), (12, 1), (4, 3), (2, 9) })
        {
            Assert.Equal(all.Slice(start, count).Data, Multiply(start, count, aligned: true).Data);
            Assert.Equal(all.Slice(start, count).Data, Multiply(start, count, aligned: false).Data);
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.BF16)]
    [InlineData(DType.F16)]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public void Sum_on_the_processor_is_one_chain_of_fused_multiply_adds_in_ascending_order(DType type)
    {
        foreach (string device in DeviceSet.HostNames)
        {
            foreach ((int rows, int k, int n) in Sizes)
            {
                using var work = new Workspace(devices[device]);
                Matrix x = Matrix.Random(3, rows, k), weight = Matrix.Random(4, n, k);
                GuardedTensor y = work.Tensor(rows, n);
                work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, rows, work.Weight(weight, type), null)], y);
                Assert.Equal(MatMulReference.Exact(x, weight.RoundedTo(type)).Data, y.Read().Data);
            }
        }
    }

    [Theory]
    [OnEveryDevice]
    public void Groups_have_weights_and_biases_of_their_own_and_other_rows_are_left(string device)
    {
        using var work = new Workspace(devices[device]);
        const int K = 40, N = 45;
        Matrix x = Matrix.Random(5, 17, K), before = Matrix.Random(6, 17, N);
        Matrix[] weights = [Matrix.Random(7, N, K), Matrix.Random(8, N, K), Matrix.Random(9, N, K)];
        float[] bias = Matrix.Random(10, 1, N).Data;
        GuardedTensor y = work.Tensor(before);
        // Rows 0, 9 and 10 are in no group.
        MatMulGroup[] groups =
        [
            new(1, 5, work.Weight(weights[0]), null),
            new(6, 3, work.Weight(weights[1], DType.BF16), work.Buffer(bias)),
            new(11, 0, work.Weight(weights[2]), null),
            new(11, 6, work.Weight(weights[2]), work.Buffer(bias)),
        ];

        work.Device.MatMul(work.Tensor(x), groups, y);

        Matrix actual = y.Read();
        foreach (int row in new[] { 0, 9, 10 })
            Assert.Equal(before.Slice(row, 1).Data, actual.Slice(row, 1).Data);
        MatMulReference.Run(x.Slice(1, 5), weights[0]).AssertClose(actual.Slice(1, 5), "first group");
        MatMulReference.Run(x.Slice(6, 3), weights[1].RoundedTo(DType.BF16), bias).AssertClose(actual.Slice(6, 3), "second group");
        MatMulReference.Run(x.Slice(11, 6), weights[2], bias).AssertClose(actual.Slice(11, 6), "last group");
    }

    [Theory]
    [OnEveryDevice(DType.F32)]
    [OnEveryDevice(DType.BF16)]
    public void Parts_of_a_fused_weight_lie_one_below_the_other(string device, DType type)
    {
        using var work = new Workspace(devices[device]);
        const int K = 19;
        // Heights that are no multiple of a panel, an odd number of odd rows, and none at all.
        Matrix[] parts = [Matrix.Random(11, 33, K), Matrix.Random(12, 5, K), new Matrix(0, K), Matrix.Random(13, 15, K)];
        var fused = new Matrix(53, K);
        parts.SelectMany(p => p.Data).ToArray().CopyTo(fused.Data, 0);
        Matrix x = Matrix.Random(14, 4, K);
        PackedWeight weight = work.Own(work.Device.Pack([.. parts.Select(p => new MatrixWeight(p))], type));
        GuardedTensor y = work.Tensor(4, 53);

        work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, 4, weight, null)], y);

        Assert.Equal((53, K, type), (weight.N, weight.K, weight.Type));
        Assert.True(weight.Bytes >= 53L * K * type.Size(), "A weight cannot be smaller than its numbers.");
        MatMulReference.Run(x, fused.RoundedTo(type)).AssertClose(y.Read());
    }

    [Theory]
    [OnEveryDevice(DType.F32)]
    [OnEveryDevice(DType.BF16)]
    public void Weights_that_hold_NaN_are_refused(string device, DType type)
    {
        Matrix weight = Matrix.Random(15, 40, 9);
        weight[37, 8] = float.NaN;
        Assert.Throws<InvalidDataException>(() => devices[device].Pack([new MatrixWeight(weight)], type));
    }
}
