using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Solves for the temperature at which the tokens that stand have a wanted entropy, by the steps that the host takes.</summary>
internal static class GuideAndSampleTemperature
{
    // Bounds of the temperature.
    private const float Lowest = 1e-6f;
    private const float Highest = 1e6f;

    /// <summary>What may be missing of an entropy H, in parts of 1 + H.</summary>
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
            for (int x = Group.IdxX; x < tokens.Length; x += GuideTokens.Turn)
            {
                Floats4 s = GuideTokens.Load(tokens.Scores, x);
                s = new Floats4
                {
                    X = Scaled(s.X, temperature),
                    Y = Scaled(s.Y, temperature),
                    Z = Scaled(s.Z, temperature),
                    W = Scaled(s.W, temperature),
                };
                Floats4 e = GuideTokens.Exp(s), es = new() { X = e.X * s.X, Y = e.Y * s.Y, Z = e.Z * s.Z, W = e.W * s.W };
                mass += e.Sum;
                first += es.Sum;
                second += new Floats4 { X = es.X * s.X, Y = es.Y * s.Y, Z = es.Z * s.Z, W = es.W * s.W }.Sum;
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

    // Below -110 the mass is nothing, and what is added must stay finite.
    private static float Scaled(float score, float temperature) => score / temperature > -110 ? score / temperature : -110;
}
