using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>Attention over a cache of each type against float64 on keys and values that were rounded as the type says, and chunks of a context apart.</summary>
[Collection(DeviceCollection.Name)]
public sealed class KvTypeTests(DeviceSet devices)
{
    /// <summary>The emulator, and the GPUs where there are any.</summary>
    public static TheoryData<string, DType> Cases
    {
        get
        {
            var cases = new TheoryData<string, DType>();
            foreach (string device in DeviceSet.Names.Except(DeviceSet.HostNames))
            {
                foreach (DType type in new[] { DType.F32, DType.BF16, DType.Int8 })
                    cases.Add(device, type);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Keys_and_values_are_read_as_their_type_holds_them(string device, DType type)
    {
        // A width that fills no 16 bytes of bf16 or int8, and a context of several chunks.
        const int HeadDim = 20, KvHeads = 2;
        int[] lengths = [1, 37, 600];
        using var work = new Workspace(devices[device]);
        (Matrix Keys, Matrix Values)[] contexts =
            [.. lengths.Select((n, c) => (Matrix.Random(10 + c, n, KvHeads * HeadDim), Matrix.Random(20 + c, n, KvHeads * HeadDim)))];
        var paging = new Paging(work, lengths, 2, KvHeads, HeadDim, type);
        paging.Fill(contexts, layer: 1);
        (int Context, int Position)[] rows = [(0, 0), (1, 35), (1, 36), (2, 599)];
        Matrix q = Matrix.Random(1, rows.Length, 4 * HeadDim);
        GuardedTensor y = work.Tensor(rows.Length, 4 * HeadDim);

        work.Device.Attention(work.Tensor(q), paging.Cache, 1, paging.Batch(rows), new AttentionParams(0.2f, 0, 0, null), y);

        (Matrix, Matrix)[] rounded = [.. contexts.Select(c => (Rounded(c.Keys, HeadDim, type), Rounded(c.Values, HeadDim, type)))];
        AttentionReference.Run(q, rows, rounded, HeadDim, new AttentionCase(0.2f)).AssertClose(y.Read(), type.ToString());
    }

    // int8: a scale for each position and head.
    internal static Matrix Rounded(Matrix numbers, int headDim, DType type)
    {
        if (type != DType.Int8)
            return numbers.RoundedTo(type);
        var rounded = new Matrix(numbers.Rows, numbers.Columns);
        var q = new sbyte[headDim];
        for (int start = 0; start < numbers.Data.Length; start += headDim)
        {
            float scale = BlockQuantizer.Activations(numbers.Data.AsSpan(start, headDim), q);
            for (int i = 0; i < headDim; i++)
                rounded.Data[start + i] = q[i] * scale;
        }

        return rounded;
    }
}
