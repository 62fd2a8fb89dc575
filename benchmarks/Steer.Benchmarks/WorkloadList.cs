using Steer.Kernels;

namespace Steer.Benchmarks;

/// <summary>What is measured.</summary>
internal static class WorkloadList
{
    private static readonly WeightFormat[] Formats =
        [DType.F32, DType.F16, DType.BF16, new(DType.BF16, true), new(DType.Int8, true), new(DType.Int4, true), DType.Int8, DType.Int4];

    /// <summary>The main figures, in about a minute.</summary>
    public static IEnumerable<Workload> All()
    {
        foreach (var shape in new[] { ModelShape.Small, ModelShape.Large })
        {
            foreach (var format in Formats)
            {
                foreach (int rows in new[] { 1, 8, 16, 32, 128 })
                    yield return new Projections(shape, format, rows);
            }
        }
        foreach (int rows in new[] { 1, 24 })
            yield return new Projections(ModelShape.Embedded, DType.BF16, rows);
        yield return new Projections(ModelShape.Embedded, DType.BF16, 24, expertRows: 16);
        yield return new Projections(ModelShape.Small, DType.F32, 2, expertRows: 1);
        yield return new AttentionWorkload(4, 2, 64, 24, 1, 128);
        yield return new AttentionWorkload(9, 3, 64, 8, 1, 512);
        yield return new AttentionWorkload(32, 4, 64, 8, 1, 512);
        yield return new AttentionWorkload(32, 4, 64, 1, 512, 512);
        yield return new AttentionWorkload(71, 1, 64, 1, 128, 512);
        yield return new NormWorkload(24, 256);
        yield return new NormWorkload(128, 2048);
        yield return new ActivationWorkload(24, 704);
        yield return new ActivationWorkload(128, 5632);
    }
}
