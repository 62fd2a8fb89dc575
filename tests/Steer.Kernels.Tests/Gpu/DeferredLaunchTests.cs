using Steer.Kernels.Gpu;
using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>
/// Norms, activations and attention wait for the product that reads them and write what tensor cores take in the same launch. Held against the same calls with a wait after
/// each, where every kernel is launched by itself: equal bits, fewer launches, and nothing that changes its place.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class DeferredLaunchTests(DeviceSet devices)
{
    /// <summary>One row, and several for either kernel of products, none of them a multiple of a tile; rows of 16 bits and of 8.</summary>
    [Theory]
    [OnEveryIlgpuDevice(DType.BF16, new[] { 1, 19 })]
    [OnEveryIlgpuDevice(DType.Int8, new[] { 9 })]
    public void A_norm_or_activation_and_its_product_give_the_same_bits_in_two_launches(string name, DType type, int[] rowCounts)
    {
        foreach (int rows in rowCounts)
        {
            const int K = 70, N = 21;
            using var work = new Workspace(devices[name]);
            var device = (IlgpuDevice)work.Device;
            var format = new WeightFormat(type, RoundActivations: true);
            PackedWeight up = work.Own(device.Pack([new MatrixWeight(Matrix.Random(1, 2 * K, K))], format));
            PackedWeight down = work.Own(device.Pack([new MatrixWeight(Matrix.Random(2, N, K))], format));
            var norm = new NormWeight(NormKind.Rms, 1e-5f, K, work.Buffer(Matrix.Random(3, 1, K).Data), null);
            float[] Run(Action between, out long launches)
            {
                GuardedTensor x = work.Tensor(Matrix.Random(4, rows, K)), h = work.Tensor(rows, K), wide = work.Tensor(rows, 2 * K);
                GuardedTensor delta = work.Tensor(Matrix.Random(5, rows, K)), activated = work.Tensor(rows, K), y = work.Tensor(rows, N);
                long before = device.Launches;
                device.AddNorm(x, delta, 0.5f, norm, h);
                between();
                device.MatMul(h, [new MatMulGroup(0, rows, up, null)], wide);
                between();
                device.Activate(wide, Activation.Silu, gated: true, activated);
                between();
                device.MatMul(activated, [new MatMulGroup(0, rows, down, null)], y);
                device.Synchronize();
                launches = device.Launches - before;
                return [.. x.Read().Data, .. h.Read().Data, .. wide.Read().Data, .. activated.Read().Data, .. y.Read().Data];
            }

            Run(() => { }, out _); // takes workspaces, before which what waits is launched
            float[] together = Run(() => { }, out long launches), apart = Run(device.Synchronize, out long launchesApart);
            Assert.Equal(apart, together);
            Assert.Equal(device.HasTensorCores ? 2 : 0, launchesApart - launches);
        }
    }

    /// <summary>Contexts of one part and of several, rows whose end is no stage of 8 bits; a prompt, and queries that have to be copied first, are packed apart.</summary>
    [Theory]
    [OnEveryIlgpuDevice(DType.BF16, 64, true)]
    [OnEveryIlgpuDevice(DType.Int8, 32, true)]
    [OnEveryIlgpuDevice(DType.BF16, 32, false)]
    public void Attention_of_a_decode_step_and_its_product_give_the_same_bits_in_one_launch_less(string name, DType type, int headDim, bool aligned)
    {
        const int Heads = 3, N = 21;
        int[] lengths = [5, 300];
        using var work = new Workspace(devices[name]);
        var device = (IlgpuDevice)work.Device;
        PackedWeight weight = work.Own(device.Pack([new MatrixWeight(Matrix.Random(1, N, Heads * headDim))], new WeightFormat(type, RoundActivations: true)));
        var paging = new Paging(work, lengths, 1, 1, headDim);
        paging.Fill([.. lengths.Select((n, c) => (Matrix.Random(10 + c, n, headDim), Matrix.Random(20 + c, n, headDim)))], 0);
        foreach ((int, int)[] rows in new (int, int)[][] { [(0, 4), (1, 299)], [(0, 3), (0, 4)] })
        {
            ForwardBatch batch = paging.Batch(rows);
            float[] Run(Action between, out long launches)
            {
                Matrix queries = Matrix.Random(4, 2, Heads * headDim);
                Tensor q = aligned ? new Tensor(work.Buffer(queries.Data), 2, queries.Columns) : work.Tensor(queries);
                GuardedTensor attended = work.Tensor(2, Heads * headDim), y = work.Tensor(2, N);
                long before = device.Launches;
                device.Attention(q, paging.Cache, 0, batch, new AttentionParams(0.2f, 0, 0, null), attended);
                between();
                device.MatMul(attended, [new MatMulGroup(0, 2, weight, null)], y);
                device.Synchronize();
                launches = device.Launches - before;
                return [.. attended.Read().Data, .. y.Read().Data];
            }

            Run(() => { }, out _); // takes workspaces
            float[] together = Run(() => { }, out long launches), apart = Run(device.Synchronize, out long launchesApart);
            Assert.Equal(apart, together);
            Assert.Equal(device.HasTensorCores && aligned && rows[1].Item1 != 0 ? 1 : 0, launchesApart - launches);
        }
    }

    [Theory]
    [OnEveryIlgpuDevice]
    public void What_comes_in_between_finds_the_norm_done_and_the_product_what_it_left(string name)
    {
        const int Rows = 6, K = 70, N = 20;
        using var work = new Workspace(devices[name]);
        Device device = work.Device;
        PackedWeight weight = work.Own(
            device.Pack([new MatrixWeight(Matrix.Random(1, N, K))], new WeightFormat(DType.BF16, RoundActivations: true)));
        var norm = new NormWeight(NormKind.Layer, 1e-5f, K, work.Buffer(Matrix.Random(2, 1, K).Data), work.Buffer(Matrix.Random(3, 1, K).Data));
        Matrix input = Matrix.Random(4, Rows, K), other = Matrix.Random(5, Rows, K);
        float[] Run(Action<Tensor, Tensor, Tensor> calls, Action between)
        {
            GuardedTensor x = work.Tensor(input), h = work.Tensor(Rows, K), y = work.Tensor(Rows, N);
            device.Norm(x, norm, h);
            between();
            calls(x, h, y);
            return [.. x.Read().Data, .. h.Read().Data, .. y.Read().Data];
        }

        int steps = 0; // a recorded step names its memory: each has a key of its own
        void Product(Tensor x, Tensor y) => device.MatMul(x, [new MatMulGroup(0, x.Rows, weight, null)], y);
        Action<Tensor, Tensor, Tensor>[] cases =
        [
            (x, h, y) => { device.Add(h, x, 2); Product(h, y); },
            (x, h, y) => { device.Add(x, h, 2); Product(h, y); },
            (x, h, y) => { Product(x, y); device.Add(h, x, 1); },
            (x, h, y) => Product(h.RowSlice(1, 3), y.RowSlice(1, 3)),
            (x, h, y) => device.MatMul(h, [new MatMulGroup(0, 2, weight, null), new MatMulGroup(2, 4, weight, null)], y),
            (x, h, y) => { device.Norm(x, norm, x); Product(h, y); },
            (x, h, y) => { using DeviceBuffer<float> taken = device.Allocate<float>(7); Product(h, y); },
            (x, h, y) => device.Repeat(new StepKey(1, 2, ++steps), 3, () => { device.Norm(x, norm, h); Product(h, y); device.Norm(x, norm, x); }),
        ];
        foreach (Action<Tensor, Tensor, Tensor> calls in cases)
            Assert.Equal(Run(calls, device.Synchronize), Run(calls, () => { }));
    }

    /// <summary>A layer of a decode step with an adapter on each projection.</summary>
    [Theory]
    [OnEveryIlgpuDevice]
    public void A_layer_takes_17_launches(string name)
    {
        const int Rows = 2, Width = 64, Wide = 96;
        using var work = new Workspace(devices[name]);
        var device = (IlgpuDevice)work.Device;
        if (!device.HasTensorCores)
            return; // nothing is packed there
        Tensor x = work.Tensor(Matrix.Random(1, Rows, Width)), delta = work.Tensor(Matrix.Random(2, Rows, Width)), h = work.Tensor(Rows, Width);
        var qkv = new Tensor(work.Own(device.Allocate<float>(Rows * 3 * Width)), Rows, 3 * Width);
        Tensor attended = work.Tensor(Rows, Width), up = work.Tensor(Rows, 2 * Wide), activated = work.Tensor(Rows, Wide);
        var norm = new NormWeight(NormKind.Rms, 1e-5f, Width, work.Buffer(Matrix.Random(3, 1, Width).Data), null);
        var paging = new Paging(work, [1, 1], 1, 1, Width);
        ForwardBatch batch = paging.Batch([(0, 0), (1, 0)]);
        (PackedWeight Weight, LoraWeight Lora) Projection(int seed, int n, int k) => (
            work.Own(device.Pack([new MatrixWeight(Matrix.Random(seed, n, k))], new WeightFormat(DType.BF16, RoundActivations: true))),
            work.Own(device.PackLora(n, k, [LoraData.Random(seed + 1, 0, n, k, 4).Segment])));
        var projections = new[] { Projection(10, 3 * Width, Width), Projection(20, Width, Width), Projection(30, 2 * Wide, Width), Projection(40, Width, Wide) };
        void Project(int i, Tensor from, Tensor to)
        {
            device.MatMul(from, [new MatMulGroup(0, Rows, projections[i].Weight, null)], to);
            device.LoraDelta(from, [new LoraGroup(0, Rows, projections[i].Lora)], to);
        }

        void Layer()
        {
            device.AddNorm(x, delta, 1, norm, h);
            Project(0, h, qkv);
            device.RopeAndCache(
                qkv.ColumnSlice(0, Width), qkv.ColumnSlice(Width, Width), qkv.ColumnSlice(2 * Width, Width), null, RopeLayout.Half, batch, paging.Cache, 0);
            device.Attention(qkv.ColumnSlice(0, Width), paging.Cache, 0, batch, new AttentionParams(0.1f, 0, 0, null), attended);
            Project(1, attended, delta);
            device.AddNorm(x, delta, 1, norm, h);
            Project(2, h, up);
            device.Activate(up, Activation.Silu, gated: true, activated);
            Project(3, activated, delta);
        }

        Layer(); // takes workspaces
        device.Synchronize();
        long before = device.Launches;
        Layer();
        device.Synchronize();
        // Two norms, rotation with the cache, attention, an activation, four products, two launches for each one's adapters.
        Assert.Equal(2 + 1 + 1 + 1 + 4 + 8, device.Launches - before);
    }
}
