using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests.Host;

/// <summary>
/// Attention of the CPU device over caches of every type: against float64 on the numbers that the cache holds, and equality of bits however
/// a context is cut into chunks, shared and spread over threads.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class HostAttentionTests(DeviceSet devices)
{
    private static readonly (DType Type, bool Round)[] Types = [(DType.F32, false), (DType.BF16, false), (DType.BF16, true), (DType.Int8, false)];

    /// <summary>Every CPU device with every type of cache.</summary>
    public static TheoryData<string, DType, bool> Devices
    {
        get
        {
            var data = new TheoryData<string, DType, bool>();
            foreach (string device in DeviceSet.HostNames)
            {
                foreach (var (type, round) in Types)
                    data.Add(device, type, round);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Decode_and_prefill_are_those_of_float64_on_what_the_cache_holds(string device, DType type, bool round)
    {
        // Head dims that are no whole plane and no whole vector; contexts of less than a chunk, of a whole one and of several.
        foreach ((int headDim, int heads, int kvHeads) in new[] { (64, 4, 2), (20, 3, 1), (80, 2, 2) })
        {
            foreach (var options in new AttentionCase[] { new(0.2f), new(0.2f, Window: 70), new(0.2f, SoftCap: 2, Alibi: [0.5f, 0.25f, 0.125f, 0.0625f]) })
            {
                using var work = new Workspace(devices[device]);
                int[] lengths = [150, 64, 3, 200];
                var contexts = Contexts(lengths, kvHeads * headDim);
                var paging = new Paging(work, lengths, 2, kvHeads, headDim, type, round);
                paging.Fill(contexts, layer: 1);
                (int, int)[] rows = [.. Enumerable.Range(40, 90).Select(p => (0, p)), (1, 63), (2, 2), (3, 199)];
                Matrix q = Matrix.Random(1, rows.Length, heads * headDim);
                GuardedTensor y = work.Tensor(rows.Length, heads * headDim);
                DeviceBuffer<float>? slopes = options.Alibi is null ? null : work.Buffer(options.Alibi);
                work.Device.Attention(
                    work.Tensor(q), paging.Cache, 1, paging.Batch(rows), new AttentionParams(options.Scale, options.Window, options.SoftCap, slopes), y);
                (Matrix, Matrix)[] held = [.. contexts.Select(c => (Held(c.Keys, headDim, type), Held(c.Values, headDim, type)))];
                // Weights are rounded to 8 bits before they are summed and multiplied.
                var expected = round
                    ? AttentionReference.Run(Held(q, headDim, type), rows, held, headDim, options with { WeightRounding = 1.0 / 256 })
                    : AttentionReference.Run(q, rows, held, headDim, options);
                expected.AssertClose(y.Read(), $"head dim {headDim}, {options}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Bits_do_not_depend_on_batch_or_chunks(string device, DType type, bool round)
    {
        const int Length = 333, HeadDim = 32;
        using var work = new Workspace(devices[device]);
        var paging = new Paging(work, [Length, 100], 1, 1, HeadDim, type, round);
        paging.Fill(Contexts([Length, 100], HeadDim), 0);
        Matrix q = Matrix.Random(5, Length, 3 * HeadDim);
        foreach (int window in new[] { 0, 100 })
        {
            Matrix Run(int start, int count, bool beside)
            {
                (int, int)[] rows = [.. Enumerable.Range(start, count).Select(p => (0, p)), .. beside ? new[] { (1, 99) } : []];
                var queries = new Matrix(rows.Length, q.Columns);
                for (int i = 0; i < rows.Length; i++)
                    q.Row(i < count ? start + i : 0).CopyTo(queries.Row(i));
                GuardedTensor y = work.Tensor(rows.Length, q.Columns);
                work.Device.Attention(
                    work.Tensor(queries), paging.Cache, 0, paging.Batch(rows), new AttentionParams(0.25f, window, 0, null), y);
                return y.Read().Slice(0, count);
            }

            Matrix all = Run(0, Length, beside: false);
            foreach ((int start, int count) in new[] { (0, 1), (63, 1), (64, 1), (Length - 1, 1), (50, 20), (100, 130), (300, 33) })
            {
                foreach (bool beside in new[] { false, true })
                    Assert.True(all.Slice(start, count).Data.SequenceEqual(Run(start, count, beside).Data), $"rows {start} to {start + count - 1}, window {window}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Contexts_that_begin_with_the_same_blocks_give_the_bits_of_each_alone(string device, DType type, bool round)
    {
        // Three contexts share two chunks and go on alone, the fourth shares none.
        const int HeadDim = 32, Blocks = 16;
        int[][] tables = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 1, 2, 3, 4, 5, 6, 7, 10], [0, 1, 2, 3, 4, 5, 6, 7, 11, 12], [13, 14]];
        int[] positions = [150, 128, 140, 30];
        using var work = new Workspace(devices[device]);
        KvCache cache = work.Own(work.Device.CreateKvCache(new KvCacheShape(1, Blocks, 2, HeadDim, type, round)));
        int slots = Blocks * KvCacheShape.BlockSize;
        ForwardBatch Batch(int[] chosen)
        {
            var batch = work.Own(new ForwardBatch(work.Device, chosen.Length, chosen.Length, 10) { Rows = chosen.Length, Contexts = chosen.Length });
            batch.Positions.Upload([.. chosen.Select(c => positions[c])]);
            batch.RowContext.Upload([.. Enumerable.Range(0, chosen.Length)]);
            for (int i = 0; i < chosen.Length; i++)
                batch.BlockTables.Upload(tables[chosen[i]], (long)i * 10);
            return batch;
        }

        var filling = work.Own(new ForwardBatch(work.Device, slots, 1, Blocks) { Rows = slots, Contexts = 1 });
        filling.SlotMapping.Upload([.. Enumerable.Range(0, slots)]);
        work.Device.RopeAndCache(
            work.Tensor(slots, 4 * HeadDim), work.Tensor(Matrix.Random(1, slots, 2 * HeadDim)), work.Tensor(Matrix.Random(2, slots, 2 * HeadDim)), null,
            RopeLayout.Half, filling, cache, 0);

        Matrix q = Matrix.Random(3, 4, 4 * HeadDim);
        Matrix Run(params int[] chosen)
        {
            var queries = new Matrix(chosen.Length, q.Columns);
            for (int i = 0; i < chosen.Length; i++)
                q.Row(chosen[i]).CopyTo(queries.Row(i));
            GuardedTensor y = work.Tensor(chosen.Length, q.Columns);
            work.Device.Attention(work.Tensor(queries), cache, 0, Batch(chosen), new AttentionParams(0.2f, 0, 0, null), y);
            return y.Read();
        }

        Matrix all = Run(0, 1, 2, 3);
        for (int c = 0; c < 4; c++)
            Assert.Equal(Run(c).Data, all.Slice(c, 1).Data);
    }

    [Fact]
    public void Every_width_and_number_of_threads_gives_the_same_bits()
    {
        foreach (var (type, round) in Types)
        {
            float[]? first = null;
            foreach (string device in DeviceSet.HostNames)
            {
                using var work = new Workspace(devices[device]);
                var paging = new Paging(work, [170, 40], 1, 2, 24, type, round);
                paging.Fill(Contexts([170, 40], 48), 0);
                (int, int)[] rows = [.. Enumerable.Range(100, 60).Select(p => (0, p)), (1, 39)];
                GuardedTensor y = work.Tensor(rows.Length, 96);
                work.Device.Attention(
                    work.Tensor(Matrix.Random(4, rows.Length, 96)), paging.Cache, 0, paging.Batch(rows), new AttentionParams(0.25f, 0, 0, null), y);
                float[] result = y.Read().Data;
                first ??= result;
                Assert.True(first.SequenceEqual(result), $"{device}, {type}, rounded: {round}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void A_value_that_is_no_number_reaches_those_who_see_it_and_no_others(string device, DType type, bool round)
    {
        const int HeadDim = 16, Length = 80, Broken = 70;
        using var work = new Workspace(devices[device]);
        var contexts = Contexts([Length], HeadDim);
        contexts[0].Values.Row(Broken)[3] = float.NaN;
        contexts[0].Keys.Row(Broken)[5] = float.PositiveInfinity;
        var paging = new Paging(work, [Length], 1, 1, HeadDim, type, round);
        paging.Fill(contexts, 0);
        (int, int)[] rows = [.. Enumerable.Range(60, 20).Select(p => (0, p))];
        GuardedTensor y = work.Tensor(rows.Length, HeadDim);
        work.Device.Attention(
            work.Tensor(Matrix.Random(6, rows.Length, HeadDim)), paging.Cache, 0, paging.Batch(rows), new AttentionParams(0.25f, 0, 0, null), y);
        Matrix actual = y.Read();
        for (int i = 0; i < rows.Length; i++)
            Assert.Equal(60 + i >= Broken, actual.Row(i).ToArray().Any(float.IsNaN));
    }

    /// <summary>Models of one device differ in heads: what a launch keeps of its pieces is sized by its own.</summary>
    [Fact]
    public void A_launch_of_few_heads_may_be_followed_by_one_of_many()
    {
        using var device = new Steer.Kernels.Host.HostDevice(new() { Threads = 2 });
        using var work = new Workspace(device);
        foreach (int kvHeads in new[] { 1, 4 })
        {
            var contexts = Contexts([300], kvHeads * 16);
            var paging = new Paging(work, [300], 1, kvHeads, 16);
            paging.Fill(contexts, 0);
            Matrix q = Matrix.Random(7, 1, kvHeads * 16);
            GuardedTensor y = work.Tensor(1, q.Columns);
            device.Attention(work.Tensor(q), paging.Cache, 0, paging.Batch([(0, 299)]), new AttentionParams(0.25f, 0, 0, null), y);
            AttentionReference.Run(q, [(0, 299)], contexts, 16, new AttentionCase(0.25f)).AssertClose(y.Read(), $"{kvHeads} heads");
        }
    }

    [Fact]
    public void Other_types_are_refused()
    {
        using var device = new Steer.Kernels.Host.HostDevice();
        var error = Assert.Throws<ArgumentException>(() => device.CreateKvCache(new KvCacheShape(1, 1, 1, 8, DType.Int4)));
        Assert.Contains("Int4", error.Message, StringComparison.Ordinal);
    }

    private static (Matrix Keys, Matrix Values)[] Contexts(int[] lengths, int columns) =>
        [.. lengths.Select((n, c) => (Matrix.Random(10 + c, n, columns), Matrix.Random(20 + c, n, columns)))];

    // What a cache holds of a matrix whose rows are heads side by side.
    private static Matrix Held(Matrix x, int headDim, DType type)
    {
        var held = new Matrix(x.Rows, x.Columns);
        var q = new sbyte[headDim];
        for (int row = 0; row < x.Rows; row++)
        {
            for (int start = 0; start < x.Columns; start += headDim)
            {
                var from = x.Row(row).Slice(start, headDim);
                var to = held.Row(row).Slice(start, headDim);
                float scale = type == DType.Int8 ? BlockQuantizer.Activations(from, q) : 1;
                for (int i = 0; i < headDim; i++)
                {
                    to[i] = type switch
                    {
                        DType.F32 => from[i],
                        DType.BF16 => DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(from[i])),
                        _ => q[i] * scale,
                    };
                }
            }
        }

        return held;
    }
}
