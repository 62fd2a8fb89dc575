using Steer.Kernels.Gpu;
using Steer.Kernels.Gpu.Cuda;
using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>
/// Products on tensor cores where there are any, and on ILGPU's CPU accelerator with warps of 32, where the twin of each instruction
/// follows the layout of its fragments, so that packing, index arithmetic, asynchronous stages and the order of sums are those of a GPU.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class TensorMatMulTests(DeviceSet devices)
{
    /// <summary>
    /// Rows for each kernel and each number of tiles, with ragged rows, columns and k, of which there are twice as many where they take 8 bits: one k below a
    /// stage, and for each ring of stages one that goes round it.
    /// </summary>
    private static readonly (int Rows, int K, int N)[] Sizes = [(1, 20, 16), (3, 200, 21), (2, 1300, 16), (11, 130, 40), (17, 420, 33), (70, 66, 19)];

    [Theory]
    [OnEveryIlgpuDevice(DType.BF16, true)]
    [OnEveryIlgpuDevice(DType.Int8, true)]
    [OnEveryIlgpuDevice(DType.Int4, true)]
    [OnEveryIlgpuDevice(DType.F32, false)]
    [OnEveryIlgpuDevice(DType.F16, false)]
    [OnEveryIlgpuDevice(DType.BF16, false)]
    public void Product_is_that_of_float64(string name, DType type, bool rounds)
    {
        foreach ((int rows, int words, int n) in Sizes)
        {
            int k = type is DType.Int8 or DType.Int4 ? 2 * words : words;
            using var work = new Workspace(devices[name]);
            Matrix x = Matrix.Random(1, rows, k), weight = Matrix.Random(2, n, k);
            float[] bias = Matrix.Random(3, 1, n).Data;
            GuardedTensor y = work.Tensor(rows, n);
            PackedWeight packed = work.Own(work.Device.Pack([new MatrixWeight(weight)], new WeightFormat(type, rounds)));
            work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, rows, packed, work.Buffer(bias))], y);
            Expected expected = rounds ? RoundedMatMulReference.Run(x, weight, type, bias) : MatMulReference.Run(x, weight.RoundedTo(type), bias);
            expected.AssertClose(y.Read(), $"{type} {rows} x {k} x {n}");
        }
    }

    /// <summary>No bit of float32 is lost: the parts of a number add up to it, on the way through the tensor core too.</summary>
    [Theory]
    [OnEveryIlgpuDevice(DType.F32)]
    [OnEveryIlgpuDevice(DType.F16)]
    [OnEveryIlgpuDevice(DType.BF16)]
    public void Product_with_the_identity_is_the_other_factor_to_the_bit(string name, DType type)
    {
        const int Size = 24;
        using var work = new Workspace(devices[name]);
        Matrix identity = new(Size, Size), x = Matrix.Random(6, Size, Size), weight = Matrix.Random(7, Size, Size).RoundedTo(type), transposed = new(Size, Size);
        // The largest numbers too, of which a nearest part would be infinite, and small ones, whose last part is not.
        for (int i = 0; i < Size; i++)
        {
            identity[i, i] = 1;
            x[i, 3] = float.BitDecrement(float.MaxValue) / MathF.ScaleB(1, 10 * i);
            weight[i, 5] = (float)(Half)(65504 / MathF.ScaleB(1, 2 * i));
        }

        weight = weight.RoundedTo(type);
        for (int i = 0; i < Size * Size; i++)
            transposed[i / Size, i % Size] = weight[i % Size, i / Size];
        Matrix Multiply(Matrix rows, Matrix columns)
        {
            GuardedTensor y = work.Tensor(Size, Size);
            work.Device.MatMul(work.Tensor(rows), [new MatMulGroup(0, Size, work.Weight(columns, type), null)], y);
            return y.Read();
        }

        Assert.Equal(x.Data, Multiply(x, identity).Data);
        Assert.Equal(transposed.Data, Multiply(identity, weight).Data);
    }

    [Theory]
    [OnEveryIlgpuDevice(DType.BF16, true)]
    [OnEveryIlgpuDevice(DType.Int8, true)]
    [OnEveryIlgpuDevice(DType.Int4, true)]
    [OnEveryIlgpuDevice(DType.F32, false)]
    [OnEveryIlgpuDevice(DType.F16, false)]
    [OnEveryIlgpuDevice(DType.BF16, false)]
    public void A_row_is_the_same_bits_in_each_kernel_and_beside_any_number_of_others(string name, DType type, bool rounds)
    {
        const int Rows = 70, K = 230, N = 20;
        using var work = new Workspace(devices[name]);
        var device = (IlgpuDevice)work.Device;
        Assert.True(device.HasTensorCores || name != DeviceSet.WarpEmulator);
        if (!device.HasTensorCores)
            return; // one kernel makes all products there
        var weight = (IlgpuWeight)work.Own(
            device.Pack([new MatrixWeight(Matrix.Random(4, N, K))], new WeightFormat(type, rounds)));
        Assert.True(TensorMatMul.Splits(weight) > 1, "A sum in one part shows nothing.");
        GuardedTensor x = work.Tensor(Matrix.Random(5, Rows, K));
        Matrix Multiply(int start, int count, int multiprocessors)
        {
            GuardedTensor y = work.Tensor(count, N);
            TensorMatMul.Run(device, x.View.RowSlice(start, count), weight, null, RowFilter.All, y, multiprocessors);
            return y.Read();
        }

        Matrix all = Multiply(0, Rows, multiprocessors: 0);
        Assert.Equal(all.Data, Multiply(0, Rows, multiprocessors: 1000).Data);
        foreach ((int start, int count) in new[] { (0, 1), (60, 10), (20, 30) })
            Assert.Equal(all.Slice(start, count).Data, Multiply(start, count, multiprocessors: 1000).Data);
    }
}
