namespace Steer.Kernels.Tests;

/// <summary>Shapes that do not fit throw before anything is read or written; batches of no rows do nothing.</summary>
[Collection(DeviceCollection.Name)]
public sealed class ShapeTests(DeviceSet devices)
{
    [Theory]
    [OnEveryDevice]
    public void Shapes_that_do_not_fit_are_refused(string device)
    {
        using var work = new Workspace(devices[device]);
        Device d = work.Device;
        Tensor a = work.Tensor(4, 8), b = work.Tensor(4, 8), wide = work.Tensor(4, 16), tall = work.Tensor(5, 8);
        var outside = new Tensor(work.Buffer(new float[31]), 4, 8);
        DeviceBuffer<int> four = work.Buffer(0, 0, 0, 0), three = work.Buffer(0, 0, 0);
        DeviceBuffer<float> eight = work.Buffer(new float[8]), seven = work.Buffer(new float[7]);
        PackedWeight square = work.Weight(new Matrix(8, 8));
        LoraWeight lora = work.Own(d.PackLora(8, 8, []));
        var norm = new NormWeight(NormKind.Rms, 0, 8, eight, null);
        var paging = new Paging(work, [4], 1, 2, 4);
        ForwardBatch batch = paging.Batch([(0, 0), (0, 1), (0, 2), (0, 3)]);
        ForwardBatch crowded = paging.Batch([(0, 0), (0, 1), (0, 2)]);
        crowded.Rows = 6;
        Tensor six = work.Tensor(6, 8);
        var plain = new AttentionParams(1, 0, 0, null);

        Action[] calls =
        [
            () => d.Embed(three, 0, square, 1, false, a),
            () => d.Embed(four, 1, square, 1, false, a),
            () => d.Embed(four, -1, square, 1, false, a),
            () => d.Embed(four, 0, square, 1, false, wide),
            () => d.Norm(a, norm, wide),
            () => d.Norm(a, norm, tall),
            () => d.Norm(a, norm, outside),
            () => d.Norm(a, norm with { GroupSize = 3 }, b),
            () => d.Norm(a, norm with { GroupSize = 0 }, b),
            () => d.Norm(a, norm with { Weight = seven }, b),
            () => d.Norm(a, norm with { Bias = seven }, b),
            () => d.AddNorm(a, wide, 1, norm, b),
            () => d.Add(a, tall, 1),
            () => d.MatMul(a, [new MatMulGroup(0, 4, square, null)], wide),
            () => d.MatMul(wide, [new MatMulGroup(0, 4, square, null)], a),
            () => d.MatMul(a, [new MatMulGroup(0, 5, square, null)], b),
            () => d.MatMul(a, [new MatMulGroup(-1, 2, square, null)], b),
            () => d.MatMul(a, [new MatMulGroup(0, 3, square, null), new MatMulGroup(2, 2, square, null)], b),
            () => d.MatMul(a, [new MatMulGroup(0, 4, square, seven)], b),
            () => d.MatMul(a, [new MatMulGroup(0, 4, square, null)], outside),
            () => d.LoraDelta(a, [new LoraGroup(0, 4, lora)], wide),
            () => d.LoraDelta(wide, [new LoraGroup(0, 4, lora)], a),
            () => d.LoraDelta(a, [new LoraGroup(2, 3, lora)], b),
            () => d.RopeAngles(three, eight, 1, wide),
            () => d.RopeAngles(four, eight, 1, a),
            () => d.RopeAndCache(a, a, b, tall, RopeLayout.Half, batch, paging.Cache, 0),
            () => d.RopeAndCache(a, a, b, b, RopeLayout.Half, batch, paging.Cache, 0),
            () => d.RopeAndCache(a, wide, wide, null, RopeLayout.Half, batch, paging.Cache, 0),
            () => d.RopeAndCache(a, a, b, null, RopeLayout.Half, batch, paging.Cache, 1),
            () => d.RopeAndCache(tall, tall, tall, null, RopeLayout.Half, batch, paging.Cache, 0),
            () => d.RopeAndCache(six, six, six, null, RopeLayout.Half, crowded, paging.Cache, 0),
            () => d.Attention(six, paging.Cache, 0, crowded, plain, six),
            () => d.Attention(a, paging.Cache, -1, batch, plain, b),
            () => d.Attention(a, paging.Cache, 0, batch, plain, wide),
            () => d.Attention(tall, paging.Cache, 0, batch, plain, tall),
            () => d.Attention(a.ColumnSlice(0, 4), paging.Cache, 0, batch, plain, b.ColumnSlice(0, 4)),
            () => d.Attention(a, paging.Cache, 0, batch, plain with { AlibiSlopes = work.Buffer(1f) }, b),
            () => d.Attention(a, paging.Cache, 0, batch, plain with { Window = -1 }, b),
            () => d.Activate(a, Activation.Silu, true, b),
            () => d.Activate(a, Activation.Silu, false, wide),
            () => d.Activate(a, Activation.Silu, false, tall),
            () => d.ScaleAndCap(outside, 1, 0),
            () => d.Gather(a, three, b),
            () => d.Gather(a, four, wide),
            () => d.Route(a, true, three, b.ColumnSlice(0, 1)),
            () => d.Route(a.ColumnSlice(0, 2), true, work.Buffer(new int[12]), b.ColumnSlice(0, 3)),
            () => d.Route(a, true, four, tall.ColumnSlice(0, 1)),
            () => d.MatMulExperts(a, [square], four, 2, b),
            () => d.MatMulExperts(a, [square], four, 0, b),
            () => d.MatMulExperts(a, [square], three, 1, b),
            () => d.MatMulExperts(a, [square], four, 1, wide),
            () => d.CombineExperts(a, b.ColumnSlice(0, 2), b),
            () => d.CombineExperts(a, b.ColumnSlice(0, 1), wide),
            () => d.Pack([], DType.F32),
            () => d.Pack([new MatrixWeight(new Matrix(2, 3)), new MatrixWeight(new Matrix(2, 4))], DType.F32),
            () => d.PackLora(8, 8, [LoraSegment(column: 4, columns: 5, k: 8)]),
            () => d.PackLora(8, 8, [LoraSegment(column: 0, columns: 5, k: 7)]),
            () => d.PackLora(8, 8, [LoraSegment(column: 0, columns: 5, k: 8) with { B = null }]),
            () => d.PackLora(8, 8, [LoraSegment(column: 0, columns: 5, k: 8) with { B = new MatrixWeight(new Matrix(5, 3)) }]),
            () => d.PackLora(8, 8, [LoraSegment(column: 0, columns: 5, k: 8) with { ColumnScale = new float[4] }]),
            () => d.PackLora(8, 8, [LoraSegment(column: 0, columns: 5, k: 8) with { ColumnBias = new float[6] }]),
            () => d.PackLora(8, 8, [LoraSegment(column: 4, columns: 3, k: 8), LoraSegment(column: 0, columns: 5, k: 8)]),
        ];

        int[] accepted = [.. Enumerable.Range(0, calls.Length).Where(i => Record.Exception(calls[i]) is not ArgumentException)];
        Assert.Equal([], accepted);
    }

    [Theory]
    [OnEveryDevice]
    public void A_batch_of_no_rows_does_nothing(string device)
    {
        using var work = new Workspace(devices[device]);
        Device d = work.Device;
        Tensor none = work.Tensor(0, 8);
        DeviceBuffer<int> ids = work.Buffer<int>();
        DeviceBuffer<float> eight = work.Buffer(new float[8]);
        PackedWeight square = work.Weight(new Matrix(8, 8));
        var norm = new NormWeight(NormKind.Rms, 0, 8, eight, null);
        var paging = new Paging(work, [4], 1, 2, 4);
        ForwardBatch batch = paging.Batch([]);
        Exception? thrown = Record.Exception(() =>
        {
            d.Embed(ids, 0, square, 1, false, none);
            d.AddNorm(none, none, 1, norm, none);
            d.MatMul(none, [], none);
            d.MatMul(none, [new MatMulGroup(0, 0, square, null)], none);
            d.LoraDelta(none, [], none);
            d.RopeAngles(ids, work.Buffer(new float[4]), 1, none);
            d.RopeAndCache(none, none, none, null, RopeLayout.Half, batch, paging.Cache, 0);
            d.Attention(none, paging.Cache, 0, batch, new AttentionParams(1, 0, 0, null), none);
            d.Activate(none, Activation.Silu, false, none);
            d.Gather(none, ids, none);
            d.Route(none, true, ids, none);
            d.MatMulExperts(none, [square], ids, 2, none);
            d.CombineExperts(none, none, none);
            d.Synchronize();
        });
        Assert.Null(thrown);
    }

    private static LoraSegment LoraSegment(int column, int columns, int k) =>
        new(column, columns, new MatrixWeight(new Matrix(2, k)), new MatrixWeight(new Matrix(columns, 2)));
}
