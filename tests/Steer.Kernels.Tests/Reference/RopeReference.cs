namespace Steer.Kernels.Tests.Reference;

/// <summary>Rotary position embedding.</summary>
internal static class RopeReference
{
    /// <summary>Cosines, then sines, of p f. The angle may be rounded to float32 first, as the models' own code does: |p f| u on either.</summary>
    public static Expected Angles(int[] positions, float[] inverseFrequencies, float scale)
    {
        int half = inverseFrequencies.Length;
        var angles = new Expected(positions.Length, 2 * half);
        for (int r = 0; r < positions.Length; r++)
        {
            for (int i = 0; i < half; i++)
            {
                double angle = positions[r] * (double)inverseFrequencies[i];
                double error = scale * ((Math.Abs(angle) * Expected.Unit) + Expected.Transcendental);
                angles.Set(r, i, scale * Math.Cos(angle), error);
                angles.Set(r, half + i, scale * Math.Sin(angle), error);
            }
        }

        return angles;
    }

    /// <summary>(a cos - b sin, b cos + a sin) for each pair of columns: a product's rounding and the sum's.</summary>
    public static Expected Rotate(Matrix x, Matrix? angles, RopeLayout layout, int headDim)
    {
        var result = new Expected(x.Rows, x.Columns);
        int rotary = angles?.Columns ?? 0, half = rotary / 2;
        for (int r = 0; r < x.Rows; r++)
        {
            for (int c = 0; c < x.Columns; c++)
            {
                int head = c / headDim * headDim, d = c % headDim;
                if (d >= rotary)
                {
                    result.Set(r, c, x[r, c], 0);
                    continue;
                }

                bool isFirst = layout == RopeLayout.Half ? d < half : d % 2 == 0;
                int pair = layout == RopeLayout.Half ? d % half : d / 2;
                int step = layout == RopeLayout.Half ? half : 1;
                int partner = head + (isFirst ? d + step : d - step);
                double own = (double)x[r, c] * angles![r, pair];
                double other = (double)x[r, partner] * angles[r, half + pair];
                result.Set(r, c, isFirst ? own - other : own + other, Expected.Unit * (Math.Abs(own) + Math.Abs(other)));
            }
        }

        return result;
    }
}
