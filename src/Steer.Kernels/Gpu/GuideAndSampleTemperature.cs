using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Solves for the temperature at which the tokens that stand have a wanted entropy, by the steps that the host takes.</summary>
internal static class GuideAndSampleTemperature
{
    private const float Lowest = 1e-6f;
    private const float Highest = 1e6f;
    private const float Tolerance = 1e-6f;
    private const int MaxSteps = 40;

    /// <summary>Newton's method on ln T, whose slope is dH / d ln T = Var(score / T), within bounds that each step narrows.</summary>
    /// <param name="tokens">Scores relative to the best token, which has 0; minus infinity where a token does not stand.</param>
    /// <param name="target">Entropy in nats.</param>
    public static float Solve(GuideTokens tokens, float target)
    {
        float low = Lowest, high = Highest, temperature = 1;
        for (int step = 0; step < MaxSteps; step++)
        {
            double mass = 0, first = 0, second = 0;
            for (int x = Group.IdxX; x < tokens.Scores.IntLength; x += Group.DimX)
            {
                float scaled = tokens.Scores[x] / temperature;
                // Below it the mass is nothing, and what is added must stay finite.
                if (scaled < -100)
                    continue;
                double e = KernelMath.Exp(scaled);
                mass += e;
                first += e * scaled;
                second += e * scaled * scaled;
            }

            mass = tokens.Reduce.Sum(mass);
            first = tokens.Reduce.Sum(first);
            second = tokens.Reduce.Sum(second);
            double mean = first / mass;
            float missing = target - (MathF.Log((float)mass) - (float)mean);
            if (MathF.Abs(missing) <= Tolerance * (1 + target))
                return temperature;
            if (missing > 0)
                low = temperature;
            else
                high = temperature;
            float next = (float)(temperature * (1 + (missing / ((second / mass) - (mean * mean)))));
            temperature = next > low && next < high ? next : MathF.Sqrt(low) * MathF.Sqrt(high);
        }

        return temperature;
    }
}
