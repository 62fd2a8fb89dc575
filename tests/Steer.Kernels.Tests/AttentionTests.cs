using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests;

/// <summary>Attention over a paged cache against float64.</summary>
[Collection(DeviceCollection.Name)]
public sealed class AttentionTests(DeviceSet devices)
{
    /// <summary>One position, a full block, one more, several blocks.</summary>
    private static readonly int[] Lengths = [1, 16, 17, 50];

    [Theory]
    [OnEveryDevice(8)]
    [OnEveryDevice(16)]
    [OnEveryDevice(20)]
    [OnEveryDevice(48)]
    [OnEveryDevice(64)]
    [OnEveryDevice(80)]
    [OnEveryDevice(128)]
    public void Decode_is_that_of_float64_for_every_head_dim(string device, int headDim) =>
        Run(device, headDim, 2, 2, Lengths, [.. Lengths.Select((n, c) => (c, n - 1))], new AttentionCase(1 / MathF.Sqrt(headDim)));

    [Theory]
    [OnEveryDevice(1, 1)]
    [OnEveryDevice(3, 3)]
    [OnEveryDevice(8, 2)]
    [OnEveryDevice(7, 1)]
    public void Query_heads_share_kv_heads(string device, int heads, int kvHeads) =>
        Run(device, 16, heads, kvHeads, Lengths, [.. Lengths.Select((n, c) => (c, n - 1))], new AttentionCase(0.25f));

    [Theory]
    [OnEveryDevice]
    public void Prefill_sees_what_is_before_each_row(string device) =>
        Run(device, 16, 4, 2, [35, 18], [.. Positions(0, 0, 35), .. Positions(1, 0, 18)], new AttentionCase(0.25f));

    [Theory]
    [OnEveryDevice]
    public void A_later_chunk_and_decode_mix_in_one_batch(string device) =>
        Run(
            device, 24, 4, 1, [45, 33, 20, 3], [.. Positions(0, 30, 13), (1, 32), .. Positions(2, 0, 20), (3, 2)],
            new AttentionCase(0.2f));

    [Theory]
    [OnEveryDevice(1)]
    [OnEveryDevice(5)]
    [OnEveryDevice(16)]
    [OnEveryDevice(17)]
    [OnEveryDevice(100)]
    public void A_window_hides_what_is_too_far_back(string device, int window) =>
        Run(device, 16, 2, 1, [40, 50], [.. Positions(0, 0, 40), (1, 49)], new AttentionCase(0.25f, Window: window));

    [Theory]
    [OnEveryDevice(50f)]
    [OnEveryDevice(2f)]
    public void Scores_are_capped(string device, float cap) =>
        Run(device, 16, 2, 2, Lengths, [.. Lengths.Select((n, c) => (c, n - 1))], new AttentionCase(1, SoftCap: cap));

    [Theory]
    [OnEveryDevice]
    public void ALiBi_adds_a_slope_of_the_key_position(string device) =>
        Run(
            device, 16, 3, 1, [50, 20], [(0, 49), .. Positions(1, 10, 10)],
            new AttentionCase(0.25f, Alibi: [0.5f, 0.0625f, 0.00390625f]));

    [Theory]
    [OnEveryDevice]
    public void Large_scores_do_not_overflow(string device) =>
        Run(device, 16, 2, 2, Lengths, [.. Lengths.Select((n, c) => (c, n - 1))], new AttentionCase(100));

    [Theory]
    [OnEveryDevice]
    public void A_long_context_is_read_to_its_end(string device) =>
        Run(device, 8, 2, 1, [700], [(0, 698), (0, 699)], new AttentionCase(0.35f));

    private static IEnumerable<(int Context, int Position)> Positions(int context, int start, int count) =>
        Enumerable.Range(start, count).Select(p => (context, p));

    private void Run(
        string device, int headDim, int heads, int kvHeads, int[] lengths, (int Context, int Position)[] rows, AttentionCase options)
    {
        using var work = new Workspace(devices[device]);
        (Matrix Keys, Matrix Values)[] contexts =
            [.. lengths.Select((n, c) => (Matrix.Random(10 + c, n, kvHeads * headDim), Matrix.Random(20 + c, n, kvHeads * headDim)))];
        var paging = new Paging(work, lengths, 2, kvHeads, headDim);
        paging.Fill(contexts, layer: 1);
        Matrix q = Matrix.Random(1, rows.Length, heads * headDim);
        GuardedTensor y = work.Tensor(rows.Length, heads * headDim);
        DeviceBuffer<float>? slopes = options.Alibi is null ? null : work.Buffer(options.Alibi);

        work.Device.Attention(
            work.Tensor(q), paging.Cache, 1, paging.Batch(rows), new AttentionParams(options.Scale, options.Window, options.SoftCap, slopes), y);

        AttentionReference.Run(q, rows, contexts, headDim, options).AssertClose(y.Read(), $"head dim {headDim}");
    }
}
