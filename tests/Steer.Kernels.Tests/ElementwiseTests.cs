using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests;

/// <summary>Embed, Add, Activate, ScaleAndCap and Gather against float64.</summary>
[Collection(DeviceCollection.Name)]
public sealed class ElementwiseTests(DeviceSet devices)
{
    /// <summary>Columns around the vectors' widths.</summary>
    private static readonly (int Rows, int Columns)[] Sizes = [(1, 1), (2, 16), (3, 33), (5, 7), (13, 50)];

    /// <summary>Zero, the neighbourhood of overflow of exp, numbers whose square or cube overflows, the smallest normal number.</summary>
    private static readonly float[] Extremes =
    [
        0, -0f, 1e-20f, -1e-20f, 1.1754944e-38f, 1, -1, 5, -5, 12, -12, 17, -17, 87, -87, 88.5f, -88.5f, 90, -90, 104, -104, 1e4f, -1e4f, 1e15f,
        -1e15f, 1e30f, -1e30f,
    ];

    [Theory]
    [OnEveryDevice(DType.F32, false)]
    [OnEveryDevice(DType.F32, true)]
    [OnEveryDevice(DType.BF16, false)]
    [OnEveryDevice(DType.BF16, true)]
    public void Embed_takes_rows_of_the_table(string device, DType type, bool accumulate)
    {
        foreach (int columns in new[] { 1, 16, 33, 50 })
        {
            using var work = new Workspace(devices[device]);
            // Rows of different panels, the first, the last, one twice; ids that begin inside their buffer.
            int[] ids = [99, 98, 40, 0, 70, 31, 40, 32, 99];
            Matrix table = Matrix.Random(1, 100, columns), before = Matrix.Random(2, 7, columns);
            GuardedTensor y = work.Tensor(before);
            work.Device.Embed(work.Buffer(ids), 2, work.Weight(table, type), 1.7f, accumulate, y);
            ElementwiseReference.Embed(table.RoundedTo(type), ids[2..], 1.7f, accumulate ? before : null).AssertClose(y.Read());
        }
    }

    [Theory]
    [OnEveryDevice(1f)]
    [OnEveryDevice(-0.37f)]
    public void Add_adds_a_multiple(string device, float scale)
    {
        foreach ((int rows, int columns) in Sizes)
        {
            using var work = new Workspace(devices[device]);
            Matrix x = Matrix.Random(3, rows, columns), delta = Matrix.Random(4, rows, columns);
            GuardedTensor sum = work.Tensor(x);
            work.Device.Add(sum, work.Tensor(delta), scale);
            ElementwiseReference.Add(x, delta, scale).AssertClose(sum.Read());
        }
    }

    [Theory]
    [OnEveryDevice(Activation.Silu, false)]
    [OnEveryDevice(Activation.Silu, true)]
    [OnEveryDevice(Activation.Gelu, false)]
    [OnEveryDevice(Activation.Gelu, true)]
    [OnEveryDevice(Activation.GeluTanh, false)]
    [OnEveryDevice(Activation.GeluTanh, true)]
    [OnEveryDevice(Activation.Relu, false)]
    [OnEveryDevice(Activation.Relu, true)]
    public void Activations_are_those_of_float64(string device, Activation activation, bool gated)
    {
        foreach ((int rows, int columns) in Sizes)
            Activate(device, Matrix.Random(5, rows, gated ? 2 * columns : columns, 3), activation, gated);
    }

    [Theory]
    [OnEveryDevice(Activation.Silu)]
    [OnEveryDevice(Activation.Gelu)]
    [OnEveryDevice(Activation.GeluTanh)]
    [OnEveryDevice(Activation.Relu)]
    public void Activations_hold_at_extremes(string device, Activation activation)
    {
        Activate(device, Matrix.Of(Extremes), activation, gated: false);
        // Every hundredth of [-20, 20]: all the places where an approximation changes its formula.
        Activate(device, Matrix.Of([.. Enumerable.Range(-2000, 4001).Select(i => i / 100f)]), activation, gated: false);
    }

    [Theory]
    [OnEveryDevice(1f, 0f)]
    [OnEveryDevice(0.0625f, 0f)]
    [OnEveryDevice(1f, 30f)]
    [OnEveryDevice(2.5f, 5f)]
    public void ScaleAndCap_scales_and_then_caps(string device, float scale, float cap)
    {
        foreach ((int rows, int columns) in Sizes)
            ScaleAndCap(device, Matrix.Random(6, rows, columns, 20), scale, cap);
        ScaleAndCap(device, Matrix.Of(Extremes), scale, cap);
    }

    [Theory]
    [OnEveryDevice]
    public void Gather_copies_rows(string device)
    {
        foreach (int columns in new[] { 1, 16, 33, 50 })
        {
            using var work = new Workspace(devices[device]);
            int[] rows = [8, 0, 3, 3, 7];
            Matrix x = Matrix.Random(7, 9, columns);
            GuardedTensor y = work.Tensor(rows.Length, columns);
            work.Device.Gather(work.Tensor(x), work.Buffer(rows), y);
            Matrix actual = y.Read();
            for (int i = 0; i < rows.Length; i++)
                Assert.Equal(x.Slice(rows[i], 1).Data, actual.Slice(i, 1).Data);
        }
    }

    private void Activate(string device, Matrix x, Activation activation, bool gated)
    {
        using var work = new Workspace(devices[device]);
        GuardedTensor y = work.Tensor(x.Rows, gated ? x.Columns / 2 : x.Columns);
        work.Device.Activate(work.Tensor(x), activation, gated, y);
        ElementwiseReference.Activate(x, activation, gated).AssertClose(y.Read(), $"{activation}");
    }

    private void ScaleAndCap(string device, Matrix x, float scale, float cap)
    {
        using var work = new Workspace(devices[device]);
        GuardedTensor y = work.Tensor(x);
        work.Device.ScaleAndCap(y, scale, cap);
        ElementwiseReference.ScaleAndCap(x, scale, cap).AssertClose(y.Read());
    }
}
