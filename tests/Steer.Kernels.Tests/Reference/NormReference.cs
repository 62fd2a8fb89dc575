namespace Steer.Kernels.Tests.Reference;

/// <summary>RMSNorm and LayerNorm over groups of neighbouring columns.</summary>
internal static class NormReference
{
    public static Expected Run(Matrix x, NormKind kind, float epsilon, int groupSize, float[] weight, float[]? bias)
    {
        var y = new Expected(x.Rows, x.Columns);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int start = 0; start < x.Columns; start += groupSize)
                Group(x, r, start, groupSize, kind, epsilon, weight, bias, y);
        }

        return y;
    }

    private static void Group(
        Matrix x, int row, int start, int size, NormKind kind, float epsilon, float[] weight, float[]? bias, Expected y)
    {
        double mean = 0, magnitude = 0;
        for (int c = start; c < start + size; c++)
        {
            mean += x[row, c] / (double)size;
            magnitude += Math.Abs(x[row, c]) / (double)size;
        }

        if (kind == NormKind.Rms)
            mean = 0;
        double variance = 0, deviation = 0;
        for (int c = start; c < start + size; c++)
        {
            variance += (x[row, c] - mean) * (x[row, c] - mean) / size;
            deviation += Math.Abs(x[row, c] - mean) / size;
        }

        double factor = 1 / Math.Sqrt(variance + epsilon);
        // A mean of n numbers is off by n + 1 roundings of their magnitude; that shifts every x - mean, each rounded once more. The
        // variance gets n + 3 roundings of its own and the shift twice, of which the square root halves the relative size.
        double shift = kind == NormKind.Rms ? 0 : (size + 1) * Expected.Unit * magnitude;
        double relative = (0.5 * (((size + 3) * Expected.Unit) + (2 * shift * deviation * factor * factor))) + (4 * Expected.Unit);
        for (int c = start; c < start + size; c++)
        {
            double centred = x[row, c] - mean;
            double value = (centred * factor * weight[c]) + (bias?[c] ?? 0);
            double error = Math.Abs(factor * weight[c]) * (shift + (Expected.Unit * Math.Abs(centred)) + (relative * Math.Abs(centred)));
            y.Set(row, c, value, error);
        }
    }
}
