using System.Runtime.Intrinsics;
using static Steer.Kernels.Host.GuideAndSampleMath;

namespace Steer.Kernels.Host;

/// <summary>Solves for the temperature at which the tokens that stand have a wanted entropy.</summary>
internal static unsafe class GuideAndSampleTemperature
{
    private const float Lowest = 1e-6f;
    private const float Highest = 1e6f;
    private const double Tolerance = 1e-6;

    // Halving alone needs fewer to tell floats of this range apart.
    private const int MaxSteps = 40;

    /// <summary>
    /// Newton's method on ln T, whose slope is dH / d ln T = Var(score / T), within bounds that each step narrows; where a step leaves them, the
    /// middle of them on a logarithmic scale.
    /// </summary>
    /// <param name="candidates">Scores relative to the best token, which has 0.</param>
    /// <param name="target">Entropy in nats.</param>
    public static float Solve(GuideAndSampleCandidates candidates, double target)
    {
        float low = Lowest, high = Highest, temperature = 1;
        for (int step = 0; step < MaxSteps; step++)
        {
            var (entropy, variance) = Moments(candidates, temperature);
            double missing = target - entropy;
            if (Math.Abs(missing) <= Tolerance * (1 + target))
                break;
            if (missing > 0)
                low = temperature;
            else
                high = temperature;
            float next = (float)(temperature * (1 + missing / variance));
            temperature = next > low && next < high ? next : MathF.Sqrt(low) * MathF.Sqrt(high);
        }
        return temperature;
    }

    // Entropy of softmax(score / temperature), and the variance of score / temperature under it.
    private static (double Entropy, double Variance) Moments(GuideAndSampleCandidates candidates, float temperature)
    {
        double mass = 0, first = 0, second = 0;
        var divisor = Vector256.Create(temperature);
        // Below it exp is 0: what is added stays finite.
        var lowest = Vector256.Create(-100f);
        for (int start = 0; start < candidates.Count; start += BlockSize)
        {
            Vector256<float> m0 = default, m1 = default, f0 = default, f1 = default, s0 = default, s1 = default;
            int end = Math.Min(start + BlockSize, candidates.Count);
            for (int i = start; i < end; i += 2 * Lanes)
            {
                var x0 = Vector256.MaxNative(Vector256.Load(candidates.Scores + i) / divisor, lowest);
                var x1 = Vector256.MaxNative(Vector256.Load(candidates.Scores + i + Lanes) / divisor, lowest);
                var e0 = VectorMath.Exp(x0);
                var e1 = VectorMath.Exp(x1);
                m0 += e0;
                m1 += e1;
                f0 = Vector256.FusedMultiplyAdd(e0, x0, f0);
                f1 = Vector256.FusedMultiplyAdd(e1, x1, f1);
                s0 = Vector256.FusedMultiplyAdd(e0 * x0, x0, s0);
                s1 = Vector256.FusedMultiplyAdd(e1 * x1, x1, s1);
            }
            mass += Sum(m0, m1, default, default);
            first += Sum(f0, f1, default, default);
            second += Sum(s0, s1, default, default);
        }
        double mean = first / mass;
        return (Math.Log(mass) - mean, second / mass - mean * mean);
    }
}
