using Steer.Kernels;

namespace Steer.Runtime.Evaluation;

/// <summary>Resampling with replacement (Efron, 1979), a stream of random numbers for each resample.</summary>
internal static class Bootstrap
{
    /// <summary>Means of resamples, ascending.</summary>
    public static double[] Means(double[] values, int resamples, ulong seed) => Ratios(values, null, resamples, seed);

    /// <summary>sum(numerators) / sum(denominators) of resamples, ascending; means where the denominators are null.</summary>
    public static double[] Ratios(double[] numerators, double[]? denominators, int resamples, ulong seed)
    {
        var ratios = new double[resamples];
        Parallel.For(0, resamples, r =>
        {
            double above = 0, below = 0;
            for (int i = 0; i < numerators.Length; i++)
            {
                int place = (int)(Philox.Uniform(seed, i, (uint)r) * numerators.Length);
                above += numerators[place];
                below += denominators?[place] ?? 1;
            }

            ratios[r] = above / below;
        });
        Array.Sort(ratios);
        return ratios;
    }
}
