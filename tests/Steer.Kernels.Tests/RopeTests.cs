using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests;

/// <summary>RopeAngles and RopeAndCache against float64.</summary>
[Collection(DeviceCollection.Name)]
public sealed class RopeTests(DeviceSet devices)
{
    [Theory]
    [OnEveryDevice(1f)]
    [OnEveryDevice(1.19f)]
    public void Angles_are_those_of_float64_at_any_position(string device, float scale)
    {
        using var work = new Workspace(devices[device]);
        int[] positions = [0, 1, 2, 17, 511, 4095, 32767, 131071];
        foreach (int half in new[] { 1, 4, 10, 37 })
        {
            float[] frequencies = [.. Enumerable.Range(0, half).Select(i => (float)Math.Pow(10000, -i / (double)half))];
            GuardedTensor angles = work.Tensor(positions.Length, 2 * half);
            work.Device.RopeAngles(work.Buffer(positions), work.Buffer(frequencies), scale, angles);
            RopeReference.Angles(positions, frequencies, scale).AssertClose(angles.Read(), $"{half} frequencies");
        }
    }

    [Theory]
    [OnEveryDevice(RopeLayout.Half)]
    [OnEveryDevice(RopeLayout.Interleaved)]
    public void Queries_and_keys_rotate_in_place(string device, RopeLayout layout)
    {
        // Head dim, rotary dim (partial where smaller), heads, kv heads.
        (int, int, int, int)[] shapes = [(8, 8, 2, 2), (16, 4, 4, 1), (48, 48, 3, 3), (80, 32, 4, 2), (64, 2, 1, 1)];
        foreach ((int headDim, int rotary, int heads, int kvHeads) in shapes)
        {
            foreach (int rows in new[] { 1, 3, 8 })
            {
                using var work = new Workspace(devices[device]);
                Matrix q = Matrix.Random(1, rows, heads * headDim), k = Matrix.Random(2, rows, kvHeads * headDim);
                Matrix v = Matrix.Random(3, rows, kvHeads * headDim), angles = Matrix.Random(4, rows, rotary);
                GuardedTensor queries = work.Tensor(q), keys = work.Tensor(k), values = work.Tensor(v);
                var paging = new Paging(work, [rows], 1, kvHeads, headDim);
                ForwardBatch batch = paging.Batch([.. Enumerable.Range(0, rows).Select(p => (0, p))]);

                work.Device.RopeAndCache(queries, keys, values, work.Tensor(angles), layout, batch, paging.Cache, 0);

                RopeReference.Rotate(q, angles, layout, headDim).AssertClose(queries.Read(), "queries");
                RopeReference.Rotate(k, angles, layout, headDim).AssertClose(keys.Read(), "keys");
                Assert.Equal(v.Data, values.Read().Data);
            }
        }
    }

    [Theory]
    [OnEveryDevice]
    public void Without_angles_nothing_rotates(string device)
    {
        using var work = new Workspace(devices[device]);
        Matrix q = Matrix.Random(5, 3, 32), k = Matrix.Random(6, 3, 16), v = Matrix.Random(7, 3, 16);
        GuardedTensor queries = work.Tensor(q), keys = work.Tensor(k);
        var paging = new Paging(work, [3], 1, 1, 16);
        work.Device.RopeAndCache(
            queries, keys, work.Tensor(v), null, RopeLayout.Half, paging.Batch([(0, 0), (0, 1), (0, 2)]), paging.Cache, 0);
        Assert.Equal(q.Data, queries.Read().Data);
        Assert.Equal(k.Data, keys.Read().Data);
    }

    [Theory]
    [OnEveryDevice]
    public void Values_are_found_at_their_slots_in_every_layer(string device)
    {
        using var work = new Workspace(devices[device]);
        const int HeadDim = 24, KvHeads = 2, Layers = 3;
        int[] lengths = [40, 17];
        var paging = new Paging(work, lengths, Layers, KvHeads, HeadDim);
        (Matrix Keys, Matrix Values)[][] layers =
        [
            .. Enumerable.Range(0, Layers).Select(layer => lengths.Select((n, c) => (
                Matrix.Random((10 * layer) + c, n, KvHeads * HeadDim), Matrix.Random(100 + (10 * layer) + c, n, KvHeads * HeadDim))).ToArray()),
        ];
        for (int layer = 0; layer < Layers; layer++)
            paging.Fill(layers[layer], layer);

        // A window of one position has a softmax of exactly 1: attention reads the value back as it was written.
        (int, int)[] rows = [(0, 0), (0, 15), (0, 16), (0, 31), (0, 39), (1, 0), (1, 16)];
        ForwardBatch batch = paging.Batch(rows);
        for (int layer = 0; layer < Layers; layer++)
        {
            GuardedTensor y = work.Tensor(rows.Length, KvHeads * HeadDim);
            work.Device.Attention(
                work.Tensor(Matrix.Random(8, rows.Length, KvHeads * HeadDim)), paging.Cache, layer, batch, new AttentionParams(1, 1, 0, null), y);
            Matrix actual = y.Read();
            for (int r = 0; r < rows.Length; r++)
            {
                (int context, int position) = rows[r];
                Assert.Equal(layers[layer][context].Values.Slice(position, 1).Data, actual.Slice(r, 1).Data);
            }
        }
    }
}
