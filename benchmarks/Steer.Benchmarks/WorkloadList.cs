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
                foreach (int rows in new[] { 1, 2, 8, 16, 32, 128 })
                    yield return new Projections(shape, format, rows);
            }
        }
        foreach (int rows in new[] { 1, 24 })
            yield return new Projections(ModelShape.Embedded, DType.BF16, rows);
        yield return new Projections(ModelShape.Embedded, DType.BF16, 24, expertRows: 16);
        foreach (var format in Formats.Take(6))
        {
            foreach (var shape in new[] { ModelShape.Small, ModelShape.Large })
            {
                yield return new Projections(shape, format, 2, expertRows: 1);
                yield return new Projections(shape, format, 3, expertRows: 2);
            }
        }
        yield return new AttentionWorkload(4, 2, 64, 24, 1, 128);
        yield return new AttentionWorkload(9, 3, 64, 8, 1, 512);
        yield return new AttentionWorkload(32, 4, 64, 8, 1, 512);
        foreach (var type in new[] { DType.F32, DType.BF16, DType.Int8 })
        {
            yield return new AttentionWorkload(4, 2, 64, 96, 1, 288, type, layers: 12);
            yield return new AttentionWorkload(9, 3, 64, 8, 1, 512, type, layers: 60);
        }
        yield return new AttentionWorkload(9, 3, 64, 1, 512, 512);
        yield return new AttentionWorkload(32, 4, 64, 1, 512, 512);
        yield return new AttentionWorkload(71, 1, 64, 1, 128, 512);
        yield return new NormWorkload(24, 256);
        yield return new NormWorkload(128, 2048);
        yield return new ActivationWorkload(24, 704);
        yield return new ActivationWorkload(128, 5632);
        yield return new EmbedWorkload(128, 32000, 2048);
        yield return new RopeWorkload(1, 128, 32, 4, 64);
        foreach (int contexts in new[] { 8, 32 })
            yield return new RopeWorkload(contexts, 1, 9, 3, 64, DType.BF16, layers: 16000 / contexts);
        yield return new GuideWorkload(sequences: 8, branches: 3, vocabSize: 32000);
        yield return new GuideWorkload(sequences: 32, branches: 1, vocabSize: 128_000);
        yield return new GuideWorkload(sequences: 32, branches: 3, vocabSize: 128_000);
    }

    /// <summary>What a GPU is measured with: larger shapes and batches.</summary>
    public static IEnumerable<Workload> ForGpus()
    {
        WeightFormat[] formats = [DType.F32, DType.BF16, new(DType.BF16, true), new(DType.Int8, true), new(DType.Int4, true)];
        foreach (var shape in new[] { ModelShape.Small, ModelShape.Large, ModelShape.Huge })
        {
            foreach (var format in formats)
            {
                foreach (int rows in new[] { 1, 16, 128, 1024 })
                    yield return new Projections(shape, format, rows);
            }
        }
        yield return new Projections(ModelShape.Large, new(DType.BF16, true), 128, expertRows: 64);
        yield return new AttentionWorkload(32, 4, 64, 64, 1, 1024);
        yield return new AttentionWorkload(32, 32, 128, 16, 1, 2048);
        yield return new AttentionWorkload(32, 4, 64, 1, 1024, 1024);
        yield return new NormWorkload(128, 2048);
        yield return new NormWorkload(1024, 4096);
        yield return new ActivationWorkload(128, 5632);
        yield return new ActivationWorkload(1024, 11008);
        yield return new EmbedWorkload(1024, 32000, 4096);
        yield return new RopeWorkload(1, 1024, 32, 8, 128);
        yield return new GuideWorkload(sequences: 64, branches: 3, vocabSize: 32000);
    }
}
