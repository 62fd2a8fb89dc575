using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests.Host;

/// <summary>
/// Equality of bits at sizes at which the CPU device works in another way: k cut into blocks, rows cut into blocks, more query heads than a
/// tile has rows, and a cache with numbers that must not be touched.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class HostInvarianceTests(DeviceSet devices)
{
    /// <summary>The CPU devices.</summary>
    public static TheoryData<string> Devices => [.. DeviceSet.HostNames];

    [Theory]
    [MemberData(nameof(Devices))]
    public void Blocks_of_k_and_of_rows_change_no_bit(string device)
    {
        const int Rows = 210, K = 1100, N = 70;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(1, Rows, K), weight = Matrix.Random(2, N, K);
        float[] bias = Matrix.Random(3, 1, N).Data;
        MatMulGroup Group(int count) => new(0, count, work.Weight(weight), work.Buffer(bias));
        GuardedTensor all = work.Tensor(Rows, N);
        work.Device.MatMul(work.Tensor(x), [Group(Rows)], all);
        Matrix actual = all.Read();
        foreach (int row in new[] { 0, 12, 191, 192, Rows - 1 })
        {
            GuardedTensor one = work.Tensor(1, N);
            work.Device.MatMul(work.Tensor(x.Slice(row, 1)), [Group(1)], one);
            Assert.Equal(one.Read().Data, actual.Slice(row, 1).Data);
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void An_adapter_of_several_panels_gives_a_row_the_same_bits_alone(string device)
    {
        const int Rows = 30, K = 300, N = 150;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(20, Rows, K), y = Matrix.Random(21, Rows, N);
        LoraWeight adapter = work.Own(work.Device.PackLora(
            N, K,
            [
                new LoraSegment(0, 105, new MatrixWeight(Matrix.Random(22, 40, K)), new MatrixWeight(Matrix.Random(23, 105, 40))),
                new LoraSegment(110, 33, new MatrixWeight(Matrix.Random(24, 7, K)), new MatrixWeight(Matrix.Random(25, 33, 7))),
            ]));
        Matrix Run(int start, int count)
        {
            GuardedTensor result = work.Tensor(y.Slice(start, count));
            work.Device.LoraDelta(work.Tensor(x.Slice(start, count)), [new LoraGroup(0, count, adapter)], result);
            return result.Read();
        }

        Matrix all = Run(0, Rows);
        foreach ((int start, int count) in new[] { (0, 1), (7, 2), (Rows - 1, 1) })
            Assert.Equal(all.Slice(start, count).Data, Run(start, count).Data);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void An_adapter_in_bfloat16_is_held_as_it_is_in_half_the_memory(string device)
    {
        const int Rows = 15, K = 1100, N = 300;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(30, Rows, K), y = Matrix.Random(31, Rows, N);
        Matrix a = Matrix.Random(32, 16, K).RoundedTo(DType.BF16), b = Matrix.Random(33, N, 16).RoundedTo(DType.BF16);
        Matrix wide = Matrix.Random(32, 16, K);
        LoraWeight Pack(Matrix down, Matrix up) =>
            work.Own(work.Device.PackLora(N, K, [new LoraSegment(0, N, new MatrixWeight(down), new MatrixWeight(up))]));
        LoraWeight adapter = Pack(a, b);
        GuardedTensor result = work.Tensor(y);
        work.Device.LoraDelta(work.Tensor(x), [new LoraGroup(0, Rows, adapter)], result);

        Expected expected = new(Rows, N);
        for (int i = 0; i < y.Data.Length; i++)
            expected.Set(i / N, i % N, y.Data[i], 0);
        LoraReference.Apply(expected, x, 0, Rows, new LoraData(0, N, a, b));
        expected.AssertClose(result.Read());
        Assert.Equal(2 * adapter.Bytes, Pack(wide, Matrix.Random(33, N, 16)).Bytes);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Neighbouring_groups_with_one_weight_are_as_one_group(string device)
    {
        const int K = 40, N = 64;
        using var work = new Workspace(devices[device]);
        Matrix x = Matrix.Random(4, 9, K);
        PackedWeight weight = work.Weight(Matrix.Random(5, N, K)), other = work.Weight(Matrix.Random(6, N, K));
        GuardedTensor one = work.Tensor(9, N), several = work.Tensor(9, N);
        work.Device.MatMul(work.Tensor(x), [new(0, 7, weight, null), new(7, 2, other, null)], one);
        work.Device.MatMul(
            work.Tensor(x), [new(0, 2, weight, null), new(2, 5, weight, null), new(7, 1, other, null), new(8, 1, other, null)], several);
        Assert.Equal(one.Read().Data, several.Read().Data);
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Many_query_heads_on_one_kv_head_are_each_the_same_alone(string device)
    {
        // Falcon 7B's 71 heads: more than a tile has rows. Grouped query attention of one head each gives what each should be.
        const int Heads = 71, HeadDim = 16, Length = 37;
        using var work = new Workspace(devices[device]);
        (Matrix, Matrix)[] contexts = [(Matrix.Random(7, Length, HeadDim), Matrix.Random(8, Length, HeadDim))];
        var paging = new Paging(work, [Length], 1, 1, HeadDim);
        paging.Fill(contexts, 0);
        Matrix q = Matrix.Random(9, 2, Heads * HeadDim);
        ForwardBatch batch = paging.Batch([(0, 20), (0, 36)]);
        GuardedTensor all = work.Tensor(2, Heads * HeadDim);
        work.Device.Attention(work.Tensor(q), paging.Cache, 0, batch, new AttentionParams(0.25f, 0, 0, null), all);
        Matrix actual = all.Read();
        for (int head = 0; head < Heads; head++)
        {
            var single = new Matrix(2, HeadDim);
            for (int row = 0; row < 2; row++)
                q.Row(row).Slice(head * HeadDim, HeadDim).CopyTo(single.Row(row));
            GuardedTensor y = work.Tensor(2, HeadDim);
            work.Device.Attention(work.Tensor(single), paging.Cache, 0, batch, new AttentionParams(0.25f, 0, 0, null), y);
            for (int row = 0; row < 2; row++)
                Assert.True(y.Read().Row(row).SequenceEqual(actual.Row(row).Slice(head * HeadDim, HeadDim)), $"head {head}, row {row}");
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void What_lies_past_a_position_is_never_read(string device)
    {
        const int HeadDim = 16, Length = 48;
        float[] Run(float beyond)
        {
            using var work = new Workspace(devices[device]);
            Matrix keys = Matrix.Random(10, Length, HeadDim), values = Matrix.Random(11, Length, HeadDim);
            for (int position = 23; position < Length; position++)
            {
                keys.Row(position).Fill(beyond);
                values.Row(position).Fill(beyond);
            }

            var paging = new Paging(work, [Length], 1, 1, HeadDim);
            paging.Fill([(keys, values)], 0);
            // A chunk of a prompt, so that rows with different ends share a tile.
            (int, int)[] rows = [.. Enumerable.Range(5, 18).Select(p => (0, p))];
            GuardedTensor y = work.Tensor(rows.Length, 2 * HeadDim);
            work.Device.Attention(
                work.Tensor(Matrix.Random(12, rows.Length, 2 * HeadDim)), paging.Cache, 0, paging.Batch(rows), new AttentionParams(0.25f, 11, 0, null), y);
            return y.Read().Data;
        }

        float[] expected = Run(0);
        Assert.All(expected, number => Assert.True(float.IsFinite(number), "A finite context has a finite result."));
        Assert.Equal(expected, Run(float.NaN));
        Assert.Equal(expected, Run(float.PositiveInfinity));
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void NaN_stays_visible(string device)
    {
        using var work = new Workspace(devices[device]);
        GuardedTensor capped = work.Tensor(Matrix.Of(1, float.NaN, 3));
        work.Device.ScaleAndCap(capped, 1, 30);
        Assert.Equal([false, true, false], capped.Read().Data.Select(float.IsNaN));
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            GuardedTensor y = work.Tensor(1, 3);
            work.Device.Activate(work.Tensor(Matrix.Of(1, float.NaN, 3)), activation, false, y);
            Assert.Equal([false, true, false], y.Read().Data.Select(float.IsNaN));
        }
    }
}
