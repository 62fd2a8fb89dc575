using Steer.Kernels.Gpu;
using Steer.Kernels.Gpu.Cuda;
using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>
/// Attention on tensor cores where there are any, and on ILGPU's CPU accelerator with warps of 32: against float64 on the numbers that the cache holds, and
/// equal to the bit between its two kernels and whatever rows are beside a row.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class TensorAttentionTests(DeviceSet devices)
{
    [Theory]
    [OnEveryIlgpuDevice(DType.F32, 16, 2, 1)]
    [OnEveryIlgpuDevice(DType.F32, 64, 8, 1)]
    [OnEveryIlgpuDevice(DType.F32, 80, 2, 2)]
    [OnEveryIlgpuDevice(DType.BF16, 48, 18, 1)]
    [OnEveryIlgpuDevice(DType.BF16, 144, 1, 1)]
    [OnEveryIlgpuDevice(DType.Int8, 32, 7, 1)]
    [OnEveryIlgpuDevice(DType.Int8, 112, 1, 1)]
    public void Every_type_head_dim_and_number_of_heads_is_that_of_float64(string device, DType type, int headDim, int heads, int kvHeads)
    {
        // Single rows in the first block and past a unit, then rows of one context over the end of a unit.
        Run(device, type, headDim, heads, kvHeads, [5, 70], [(0, 4), (1, 66)], new AttentionCase(1 / MathF.Sqrt(headDim)));
        Run(device, type, headDim, heads, kvHeads, [5, 70], [(0, 2), .. Positions(1, 61, 5)], new AttentionCase(1 / MathF.Sqrt(headDim)));
    }

    [Theory]
    [OnEveryIlgpuDevice]
    public void Chunks_of_a_long_context_are_folded_in_order(string device)
    {
        Run(device, DType.F32, 16, 2, 1, [258, 300], [.. Positions(0, 254, 4), (1, 299)], new AttentionCase(0.25f), new AttentionCase(0.25f, Window: 100));
        Run(device, DType.BF16, 16, 2, 1, [66, 70], [.. Positions(0, 62, 4), (1, 69)], new AttentionCase(0.25f, SoftCap: 2, Alibi: [0.5f, 0.01f]));
    }

    [Theory]
    [OnEveryIlgpuDevice(DType.F32, 0, 245)]
    [OnEveryIlgpuDevice(DType.BF16, 90, 117)]
    [OnEveryIlgpuDevice(DType.Int8, 90, 117)]
    public void A_row_has_the_same_bits_in_a_prompt_and_alone(string name, DType type, int window, int first)
    {
        const int HeadDim = 16, Heads = 3;
        int length = first + 24;
        using var work = new Workspace(devices[name]);
        (Matrix Keys, Matrix Values)[] contexts = [(Matrix.Random(1, length, HeadDim), Matrix.Random(2, length, HeadDim))];
        var paging = new Paging(work, [length], 1, 1, HeadDim, type);
        paging.Fill(contexts, 0);
        Matrix q = Matrix.Random(3, length, Heads * HeadDim);
        float[] Attend(int start, int count)
        {
            GuardedTensor y = work.Tensor(count, Heads * HeadDim);
            work.Device.Attention(
                work.Tensor(q.Slice(start, count)), paging.Cache, 0, paging.Batch([.. Positions(0, start, count)]),
                new AttentionParams(0.2f, window, 0, null), y);
            return y.Read().Data;
        }

        // 64 queries of a group are 21 rows of 3 heads: a group over the end of a chunk, or of a unit, and one behind it.
        float[] prompt = Attend(first, 24);
        foreach (int row in new[] { 0, 11, 22 })
            Assert.Equal(prompt[(row * Heads * HeadDim)..((row + 1) * Heads * HeadDim)], Attend(first + row, 1));
        Assert.Equal(prompt[(5 * Heads * HeadDim)..], Attend(first + 5, 19));
    }

    [Theory]
    [OnEveryIlgpuDevice]
    public void A_row_has_the_same_bits_alone_and_among_so_many_that_a_group_takes_a_whole_chunk(string name)
    {
        if (name == DeviceSet.WarpEmulator)
            return; // too many groups for it, and with a single processor it takes whole chunks anyway
        const int Rows = 140, HeadDim = 16;
        int[] lengths = [300, .. Enumerable.Repeat(1, Rows - 1)];
        using var work = new Workspace(devices[name]);
        var paging = new Paging(work, lengths, 1, 1, HeadDim);
        paging.Fill([.. lengths.Select((n, c) => (Matrix.Random(c, n, HeadDim), Matrix.Random(1000 + c, n, HeadDim)))], 0);
        Matrix q = Matrix.Random(3, Rows, HeadDim);
        float[] Attend(int count)
        {
            GuardedTensor y = work.Tensor(count, HeadDim);
            work.Device.Attention(
                work.Tensor(q.Slice(0, count)), paging.Cache, 0, paging.Batch([.. lengths.Take(count).Select((n, c) => (c, n - 1))]),
                new AttentionParams(0.2f, 0, 0, null), y);
            return y.Read().Data;
        }

        Assert.Equal(Attend(1), Attend(Rows)[..HeadDim]);
    }

    [Fact]
    public void Heads_of_multiples_of_16_are_multiplied_on_tensor_cores()
    {
        var device = (IlgpuDevice)devices[DeviceSet.WarpEmulator];
        foreach (DType type in new[] { DType.F32, DType.BF16, DType.Int8 })
        {
            foreach (int headDim in new[] { 16, 32, 64, 80, 96, 128 })
                Assert.True(TensorAttention.Supports(device, new KvCacheShape(1, 1, 1, headDim, type)), $"{type} {headDim}");
            Assert.False(TensorAttention.Supports(device, new KvCacheShape(1, 1, 1, 40, type)));
        }
    }

    private static IEnumerable<(int Context, int Position)> Positions(int context, int start, int count) =>
        Enumerable.Range(start, count).Select(p => (context, p));

    private void Run(
        string device, DType type, int headDim, int heads, int kvHeads, int[] lengths, (int Context, int Position)[] rows, params AttentionCase[] cases)
    {
        using var work = new Workspace(devices[device]);
        (Matrix Keys, Matrix Values)[] contexts =
            [.. lengths.Select((n, c) => (Matrix.Random(10 + c, n, kvHeads * headDim), Matrix.Random(20 + c, n, kvHeads * headDim)))];
        var paging = new Paging(work, lengths, 2, kvHeads, headDim, type);
        paging.Fill(contexts, layer: 1);
        Matrix q = Matrix.Random(1, rows.Length, heads * headDim);
        (Matrix, Matrix)[] held = [.. contexts.Select(c => (KvTypeTests.Rounded(c.Keys, headDim, type), KvTypeTests.Rounded(c.Values, headDim, type)))];
        foreach (AttentionCase options in cases)
        {
            GuardedTensor y = work.Tensor(rows.Length, heads * headDim);
            DeviceBuffer<float>? slopes = options.Alibi is null ? null : work.Buffer(options.Alibi);

            work.Device.Attention(
                work.Tensor(q), paging.Cache, 1, paging.Batch(rows), new AttentionParams(options.Scale, options.Window, options.SoftCap, slopes), y);

            AttentionReference.Run(q, rows, held, headDim, options).AssertClose(y.Read(), $"{type}, head dim {headDim}");
        }
    }
}
