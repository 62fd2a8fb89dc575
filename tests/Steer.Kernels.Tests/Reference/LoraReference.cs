namespace Steer.Kernels.Tests.Reference;

/// <summary>y = y * ColumnScale + (x A^T) B^T + ColumnBias on a segment's columns.</summary>
internal static class LoraReference
{
    /// <summary>Changes <paramref name="y"/> and its tolerances in the rows [rowStart, rowStart + rowCount).</summary>
    public static void Apply(Expected y, Matrix x, int rowStart, int rowCount, LoraData segment)
    {
        int rank = segment.A?.Rows ?? 0;
        for (int r = rowStart; r < rowStart + rowCount; r++)
        {
            var low = new (double Sum, double Error)[rank];
            for (int j = 0; j < rank; j++)
                low[j] = MatMulReference.Dot(x.Row(r), segment.A!.Row(j));
            for (int c = 0; c < segment.Columns; c++)
            {
                double delta = 0, error = 0;
                for (int j = 0; j < rank; j++)
                {
                    // x A^T brings its own error along; then come rank + 1 roundings of the second sum.
                    delta += low[j].Sum * segment.B![c, j];
                    error += Math.Abs((double)segment.B[c, j]) * (low[j].Error + ((rank + 1) * Expected.Unit * Math.Abs(low[j].Sum)));
                }

                int i = (r * y.Columns) + segment.ColumnStart + c;
                double scale = segment.Scale?[c] ?? 1, shift = segment.Bias?[c] ?? 0;
                double scaled = y.Value[i] * scale;
                // Scaling and the two additions round once each.
                double roundings = 2 * Expected.Unit * (Math.Abs(scaled) + Math.Abs(delta) + Math.Abs(shift));
                y.Set(r, segment.ColumnStart + c, scaled + delta + shift, (y.Tolerance[i] * Math.Abs(scale)) + error + roundings);
            }
        }
    }
}

/// <summary>A segment of an adapter on the test's side; B holds alpha / r already.</summary>
internal sealed record LoraData(int ColumnStart, int Columns, Matrix? A, Matrix? B, float[]? Scale = null, float[]? Bias = null)
{
    public static LoraData Random(int seed, int columnStart, int columns, int k, int rank, bool scaled = false, bool shifted = false) => new(
        columnStart,
        columns,
        Matrix.Random(seed, rank, k),
        Matrix.Random(seed + 1, columns, rank),
        scaled ? Matrix.Random(seed + 2, 1, columns).Data : null,
        shifted ? Matrix.Random(seed + 3, 1, columns).Data : null);

    public LoraSegment Segment => new(
        ColumnStart, Columns, A is null ? null : new MatrixWeight(A), B is null ? null : new MatrixWeight(B), Scale, Bias);
}
