namespace Steer.Kernels.Tests;

/// <summary>
/// The contract's promise, as equality of bits: a row's result depends neither on the other rows of the batch nor on the number of
/// threads; on the CPU not on the width of the vectors either.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class InvarianceTests(DeviceSet devices)
{
    private const int Rows = 29;

    /// <summary>Computes rows [start, start + count) of a batch of <see cref="Rows"/> rows, as a batch of their own.</summary>
    private delegate Matrix RowKernel(Workspace work, int start, int count);

    private static readonly Dictionary<string, RowKernel> Kernels = new()
    {
        ["MatMul f32"] = (work, start, count) => MatMul(work, start, count, DType.F32),
        ["MatMul bf16"] = (work, start, count) => MatMul(work, start, count, DType.BF16),
        ["LoraDelta"] = LoraDelta,
        ["RMSNorm"] = (work, start, count) => Norm(work, start, count, NormKind.Rms, 150),
        ["LayerNorm by heads"] = (work, start, count) => Norm(work, start, count, NormKind.Layer, 50),
        ["AddNorm"] = AddNorm,
        ["RopeAngles"] = RopeAngles,
        ["RopeAndCache"] = RopeAndCache,
        ["Attention"] = (work, start, count) => Attention(work, start, count, new AttentionParams(0.25f, 0, 0, null)),
        ["Attention in a window"] = (work, start, count) => Attention(work, start, count, new AttentionParams(0.25f, 21, 30, null)),
        ["Silu"] = (work, start, count) => Activate(work, start, count, Activation.Silu),
        ["Gelu"] = (work, start, count) => Activate(work, start, count, Activation.Gelu),
        ["GeluTanh"] = (work, start, count) => Activate(work, start, count, Activation.GeluTanh),
        ["ScaleAndCap"] = ScaleAndCap,
        ["Route"] = Route,
        ["MatMulExperts"] = MatMulExperts,
        ["CombineExperts"] = CombineExperts,
    };

    public static TheoryData<string> KernelNames => [.. Kernels.Keys];

    [Theory]
    [OnEveryDevice]
    public void A_row_is_the_same_bits_alone_and_in_any_batch(string device)
    {
        foreach ((string name, RowKernel kernel) in Kernels)
        {
            using var work = new Workspace(devices[device]);
            Matrix all = kernel(work, 0, Rows);
            foreach ((int start, int count) in new[] { (0, 1), (1, 1), (Rows - 1, 1), (3, 2), (5, 7), (11, 16), (Rows - 12, 12) })
            {
                bool same = all.Slice(start, count).Data.SequenceEqual(kernel(work, start, count).Data);
                Assert.True(same, $"{name}: rows {start} to {start + count - 1}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void The_processor_gives_the_same_bits_with_any_threads_and_vectors(string kernel)
    {
        float[]? first = null;
        foreach (string device in DeviceSet.HostNames)
        {
            using var work = new Workspace(devices[device]);
            float[] result = Kernels[kernel](work, 0, Rows).Data;
            first ??= result;
            Assert.True(first.SequenceEqual(result), device);
        }
    }

    [Theory]
    [OnEveryDevice]
    public void A_prompt_in_chunks_gives_the_same_bits_as_in_one_pass(string device)
    {
        float[] Prefill(params int[] chunks)
        {
            using var work = new Workspace(devices[device]);
            var paging = new Paging(work, [Rows], 1, 1, 32);
            Matrix q = Matrix.Random(1, Rows, 64), angles = Matrix.Random(4, Rows, 32);
            Matrix k = Matrix.Random(2, Rows, 32), v = Matrix.Random(3, Rows, 32);
            var result = new List<float>();
            int start = 0;
            foreach (int count in chunks)
            {
                ForwardBatch batch = paging.Batch([.. Enumerable.Range(start, count).Select(p => (0, p))]);
                GuardedTensor queries = work.Tensor(q.Slice(start, count)), y = work.Tensor(count, 64);
                work.Device.RopeAndCache(
                    queries, work.Tensor(k.Slice(start, count)), work.Tensor(v.Slice(start, count)), work.Tensor(angles.Slice(start, count)),
                    RopeLayout.Half, batch, paging.Cache, 0);
                work.Device.Attention(queries, paging.Cache, 0, batch, new AttentionParams(0.2f, 0, 0, null), y);
                result.AddRange(y.Read().Data);
                start += count;
            }

            return [.. result];
        }

        float[] whole = Prefill(Rows);
        Assert.Equal(whole, Prefill(16, 13));
        Assert.Equal(whole, Prefill(5, 1, 20, 3));
    }

    private static Matrix MatMul(Workspace work, int start, int count, DType type)
    {
        Matrix x = Matrix.Random(1, Rows, 130).Slice(start, count);
        GuardedTensor y = work.Tensor(count, 75);
        MatMulGroup group = new(0, count, work.Weight(Matrix.Random(2, 75, 130), type), work.Buffer(Matrix.Random(3, 1, 75).Data));
        work.Device.MatMul(work.Tensor(x), [group], y);
        return y.Read();
    }

    private static Matrix LoraDelta(Workspace work, int start, int count)
    {
        Matrix x = Matrix.Random(4, Rows, 130).Slice(start, count);
        GuardedTensor y = work.Tensor(Matrix.Random(5, Rows, 75).Slice(start, count));
        var segment = new LoraSegment(
            5, 60, new MatrixWeight(Matrix.Random(6, 9, 130)), new MatrixWeight(Matrix.Random(7, 60, 9)), Matrix.Random(8, 1, 60).Data,
            Matrix.Random(9, 1, 60).Data);
        work.Device.LoraDelta(work.Tensor(x), [new LoraGroup(0, count, work.Own(work.Device.PackLora(75, 130, [segment])))], y);
        return y.Read();
    }

    private static Matrix Norm(Workspace work, int start, int count, NormKind kind, int groupSize)
    {
        GuardedTensor y = work.Tensor(Matrix.Random(10, Rows, 150).Slice(start, count));
        work.Device.Norm(y, NormWeight(work, kind, groupSize), y);
        return y.Read();
    }

    private static Matrix AddNorm(Workspace work, int start, int count)
    {
        GuardedTensor x = work.Tensor(Matrix.Random(11, Rows, 150).Slice(start, count)), y = work.Tensor(count, 150);
        GuardedTensor delta = work.Tensor(Matrix.Random(12, Rows, 150).Slice(start, count));
        work.Device.AddNorm(x, delta, 0.3f, NormWeight(work, NormKind.Rms, 150), y);
        return y.Read();
    }

    private static NormWeight NormWeight(Workspace work, NormKind kind, int groupSize) => new(
        kind, 1e-6f, groupSize, work.Buffer(Matrix.Random(13, 1, 150).Data), work.Buffer(Matrix.Random(14, 1, 150).Data));

    private static Matrix RopeAngles(Workspace work, int start, int count)
    {
        GuardedTensor y = work.Tensor(count, 36);
        int[] positions = [.. Enumerable.Range(start, count).Select(p => p * p)];
        work.Device.RopeAngles(work.Buffer(positions), work.Buffer([.. Enumerable.Range(0, 18).Select(i => 1f / (i + 1))]), 1.1f, y);
        return y.Read();
    }

    private static Matrix RopeAndCache(Workspace work, int start, int count)
    {
        GuardedTensor q = work.Tensor(Matrix.Random(15, Rows, 96).Slice(start, count));
        GuardedTensor kv = work.Tensor(Matrix.Random(16, Rows, 48).Slice(start, count));
        var paging = new Paging(work, [Rows], 1, 1, 48);
        ForwardBatch batch = paging.Batch([.. Enumerable.Range(start, count).Select(p => (0, p))]);
        work.Device.RopeAndCache(
            q, kv, kv, work.Tensor(Matrix.Random(17, Rows, 36).Slice(start, count)), RopeLayout.Half, batch, paging.Cache, 0);
        return q.Read();
    }

    private static Matrix Attention(Workspace work, int start, int count, AttentionParams parameters)
    {
        // Ten decoding contexts of several lengths, then a chunk of a prompt.
        (int Context, int Position)[] rows =
            [.. Enumerable.Range(0, Rows).Select(r => r < 10 ? (r, (5 * r) + 2) : (10, r + 20))];
        (Matrix Keys, Matrix Values)[] contexts =
            [.. Enumerable.Range(0, 11).Select(c => (Matrix.Random(20 + c, 50, 32), Matrix.Random(40 + c, 50, 32)))];
        var paging = new Paging(work, [.. contexts.Select(c => c.Keys.Rows)], 1, 1, 32);
        paging.Fill(contexts, 0);
        GuardedTensor q = work.Tensor(Matrix.Random(18, Rows, 96).Slice(start, count)), y = work.Tensor(count, 96);
        work.Device.Attention(q, paging.Cache, 0, paging.Batch([.. rows.Skip(start).Take(count)]), parameters, y);
        return y.Read();
    }

    private static Matrix Activate(Workspace work, int start, int count, Activation activation)
    {
        GuardedTensor y = work.Tensor(count, 75);
        work.Device.Activate(work.Tensor(Matrix.Random(60, Rows, 150, 3).Slice(start, count)), activation, gated: true, y);
        return y.Read();
    }

    private static Matrix ScaleAndCap(Workspace work, int start, int count)
    {
        GuardedTensor y = work.Tensor(Matrix.Random(61, Rows, 75, 20).Slice(start, count));
        work.Device.ScaleAndCap(y, 0.7f, 15);
        return y.Read();
    }

    private static Matrix Route(Workspace work, int start, int count)
    {
        GuardedTensor y = work.Tensor(count, 3);
        work.Device.Route(
            work.Tensor(Matrix.Random(62, Rows, 21).Slice(start, count)), normalise: false, work.Own(work.Device.Allocate<int>(3 * count)), y);
        return y.Read();
    }

    private static Matrix MatMulExperts(Workspace work, int start, int count)
    {
        int[] ids = [.. Enumerable.Range(2 * start, 2 * count).Select(i => 5 * i % 3)];
        PackedWeight[] experts = [.. Enumerable.Range(0, 3).Select(e => work.Weight(Matrix.Random(70 + e, 37, 90)))];
        GuardedTensor y = work.Tensor(2 * count, 37);
        work.Device.MatMulExperts(work.Tensor(Matrix.Random(63, Rows, 90).Slice(start, count)), experts, work.Buffer(ids), 2, y);
        // The two results of a row of x next to each other.
        var paired = new Matrix(count, 74);
        y.Read().Data.CopyTo(paired.Data, 0);
        return paired;
    }

    private static Matrix CombineExperts(Workspace work, int start, int count)
    {
        GuardedTensor y = work.Tensor(count, 75);
        work.Device.CombineExperts(
            work.Tensor(Matrix.Random(64, 2 * Rows, 75).Slice(2 * start, 2 * count)), work.Tensor(Matrix.Random(65, Rows, 2).Slice(start, count)), y);
        return y.Read();
    }
}
