using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests.Host;

/// <summary>
/// Every <see cref="WeightFormat"/> on the CPU device with every instruction set: products to the bit, which makes them the same for any
/// instruction set, number of threads and of rows.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class HostFormatTests(DeviceSet devices)
{
    /// <summary>Rows around every tile height, columns and depths that fill no tile or block, one and many panels.</summary>
    private static readonly (int Rows, int K, int N)[] Sizes =
        [(1, 1, 1), (1, 64, 96), (2, 7, 33), (3, 100, 31), (4, 32, 65), (5, 48, 65), (7, 255, 32), (12, 16, 32), (13, 37, 50), (33, 65, 70)];

    private static readonly WeightFormat[] Formats =
        [.. Enum.GetValues<DType>().Select(t => new WeightFormat(t)), new(DType.BF16, true), new(DType.Int8, true), new(DType.Int4, true)];

    public static TheoryData<string, WeightFormat> Cases
    {
        get
        {
            var cases = new TheoryData<string, WeightFormat>();
            foreach (string device in DeviceSet.HostNames)
            {
                foreach (WeightFormat format in Formats)
                    cases.Add(device, format);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Product_is_that_of_the_reference_to_the_bit(string device, WeightFormat format)
    {
        foreach ((int rows, int k, int n) in Sizes)
        {
            using var work = new Workspace(devices[device]);
            Matrix x = Matrix.Random(1, rows, k), weight = Matrix.Random(2, n, k);
            float[] bias = Matrix.Random(3, 1, n).Data;
            GuardedTensor y = work.Tensor(rows, n);
            work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, rows, work.Weight(weight, format), work.Buffer(bias))], y);
            AssertSame(Plus(Reference(x, weight, format), bias), y.Read(), $"[{rows}, {k}] x [{n}, {k}]");
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Reference_is_the_product_of_what_the_formats_hold(string device, WeightFormat format)
    {
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(1, 5, 100), weight = Matrix.Random(2, 40, 100);
        GuardedTensor y = work.Tensor(5, 40);
        work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, 5, work.Weight(weight, format), null)], y);
        Matrix activations = format.RoundActivations ? RoundedProductReference.Activations(x, format.Type) : x;
        MatMulReference.Run(activations, weight.RoundedTo(format.Type)).AssertClose(y.Read());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Blocks_of_k_and_of_rows_change_no_bit(string device, WeightFormat format)
    {
        const int Rows = 157, K = 1601, N = 70;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(4, Rows, K), weight = Matrix.Random(5, N, K);
        GuardedTensor all = work.Tensor(Rows, N);
        PackedWeight packed = work.Weight(weight, format);
        work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, Rows, packed, null)], all);
        Matrix actual = all.Read();
        foreach (int row in new[] { 0, 12, 144, Rows - 1 })
        {
            GuardedTensor one = work.Tensor(1, N);
            work.Device.MatMul(work.Tensor(x.Slice(row, 1)), [new MatMulGroup(0, 1, packed, null)], one);
            AssertSame(Reference(x.Slice(row, 1), weight, format), one.Read(), $"row {row} alone");
            AssertSame(one.Read(), actual.Slice(row, 1), $"row {row}");
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Experts_may_have_any_format(string device, WeightFormat format)
    {
        const int K = 90, N = 37;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(6, 9, K);
        Matrix[] experts = [.. Enumerable.Range(0, 3).Select(e => Matrix.Random(7 + e, N, K))];
        int[] ids = [.. Enumerable.Range(0, 18).Select(i => 5 * i % 3)];
        GuardedTensor y = work.Tensor(18, N);
        work.Device.MatMulExperts(work.Tensor(x), [.. experts.Select(e => work.Weight(e, format))], work.Buffer(ids), 2, y);
        Matrix actual = y.Read();
        for (int i = 0; i < ids.Length; i++)
            AssertSame(Reference(x.Slice(i / 2, 1), experts[ids[i]], format), actual.Slice(i, 1), $"result {i}");
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Rows_of_a_table_are_what_the_format_holds(string device, WeightFormat format)
    {
        using var work = new Workspace(devices[device]);
        Matrix table = Matrix.Random(10, 75, 45), held = table.RoundedTo(format.Type);
        int[] ids = [0, 74, 31, 32, 15, 16];
        GuardedTensor y = work.Tensor(ids.Length, 45);
        work.Device.Embed(work.Buffer(ids), 0, work.Weight(table, format), 1, false, y);
        Matrix actual = y.Read();
        for (int i = 0; i < ids.Length; i++)
            Assert.Equal(held.Slice(ids[i], 1).Data, actual.Slice(i, 1).Data);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void NaN_and_infinity_of_an_activation_stay_visible_in_their_row_alone(string device, WeightFormat format)
    {
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(11, 3, 70), weight = Matrix.Random(12, 33, 70);
        x[0, 66] = float.NaN;
        x[2, 3] = float.PositiveInfinity;
        GuardedTensor y = work.Tensor(3, 33);
        work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, 3, work.Weight(weight, format), null)], y);
        Matrix actual = y.Read();
        Assert.All(actual.Row(0).ToArray(), value => Assert.True(float.IsNaN(value)));
        Assert.All(actual.Row(1).ToArray(), value => Assert.True(float.IsFinite(value)));
        Assert.All(actual.Row(2).ToArray(), value => Assert.False(float.IsFinite(value)));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Numbers_that_a_format_cannot_hold_are_refused(string device, WeightFormat format)
    {
        Matrix weight = Matrix.Random(13, 40, 70);
        weight[37, 8] = float.NaN;
        Assert.Throws<InvalidDataException>(() => devices[device].Pack([new MatrixWeight(weight)], format));
        if (format.Type is DType.F32 or DType.BF16)
            return;
        weight[37, 8] = float.NegativeInfinity;
        Assert.Throws<InvalidDataException>(() => devices[device].Pack([new MatrixWeight(weight)], format));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Smallest_and_largest_numbers_are_multiplied_as_any_other(string device, WeightFormat format)
    {
        // Subnormal float16 weights, blocks of zeros, a block whose activations are all equal. Products and sums of normal size: what the bfloat16
        // instruction flushes is the subject of no promise.
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(14, 2, 96, 1000), weight = Matrix.Random(15, 32, 96, 1e-6f);
        x.Row(0).Slice(32, 32).Clear();
        x.Row(1).Fill(-3.25f);
        for (int row = 0; row < 32; row += 3)
            weight.Row(row)[..32].Clear();
        GuardedTensor y = work.Tensor(2, 32);
        work.Device.MatMul(work.Tensor(x), [new MatMulGroup(0, 2, work.Weight(weight, format), null)], y);
        AssertSame(Reference(x, weight, format), y.Read(), "small weights");
    }

    private static Matrix Reference(Matrix x, Matrix weight, WeightFormat format) => format.RoundActivations
        ? RoundedProductReference.Run(x, weight, format.Type)
        : MatMulReference.Exact(x, weight.RoundedTo(format.Type));

    private static Matrix Plus(Matrix y, float[] bias)
    {
        for (int i = 0; i < y.Data.Length; i++)
            y.Data[i] += bias[i % y.Columns];
        return y;
    }

    private static void AssertSame(Matrix expected, Matrix actual, string what)
    {
        for (int i = 0; i < expected.Data.Length; i++)
            Assert.True(expected.Data[i] == actual.Data[i], $"{what}, row {i / expected.Columns}, column {i % expected.Columns}: {actual.Data[i]:R}, not {expected.Data[i]:R}.");
    }
}
