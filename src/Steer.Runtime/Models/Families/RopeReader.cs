using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>
/// Rotary frequencies from config.json, as transformers 4 (rope_theta and rope_scaling) and 5 (rope_parameters, perhaps one for each
/// type of layer) write them.
/// </summary>
/// <remarks>
/// RoPE: Su et al., arXiv 2104.09864; linear: Chen et al., arXiv 2306.15595; yarn: Peng et al., arXiv 2309.00071; llama3: the models'
/// public configuration; longrope: Ding et al., arXiv 2402.13753. Numbers are rounded to float32 where transformers rounds them.
/// </remarks>
internal static class RopeReader
{
    /// <summary>The frequencies of a model, or of one type of its layers.</summary>
    /// <param name="c">config.json.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="theta">Base where config.json has none.</param>
    /// <param name="partialRotaryFactor">Part of the head that rotates where config.json does not say.</param>
    /// <param name="layerType">Type of layer whose parameters to read where they differ by type.</param>
    public static RopeConfig Read(
        ConfigFields c, int headDim, float theta = 10000, double partialRotaryFactor = 1, string? layerType = null)
    {
        ConfigFields? rope = c.ObjectOrNull("rope_parameters");
        if (layerType is not null)
            rope = rope?.ObjectOrNull(layerType) ?? rope;
        theta = rope?.FloatOrNull("rope_theta") ?? c.Float("rope_theta", theta);
        partialRotaryFactor = rope?.DoubleOrNull("partial_rotary_factor") ?? c.DoubleOrNull("partial_rotary_factor") ?? partialRotaryFactor;
        if (!(partialRotaryFactor is > 0 and <= 1))
            throw c.Error("partial_rotary_factor", "must be above 0 and at most 1; correct it.");
        RopeConfig result = Scale(c, rope ?? c.ObjectOrNull("rope_scaling"), (int)(headDim * partialRotaryFactor), theta);
        if (!result.InverseFrequencies.Concat(result.Long?.InverseFrequencies ?? []).All(float.IsFinite) || !float.IsFinite(result.Scale))
            throw c.Error("the rope parameters give frequencies that are no numbers; correct rope_theta and the scaling.");
        return result;
    }

    /// <summary>Frequencies theta^(-2i / dim) without any scaling.</summary>
    /// <param name="file">For errors.</param>
    /// <param name="rotaryDim">Columns of a head that rotate.</param>
    /// <param name="theta">Base.</param>
    public static RopeConfig Unscaled(string file, int rotaryDim, float theta) => new(Inverse(Powers(file, rotaryDim, theta)), 1);

    private static RopeConfig Scale(ConfigFields c, ConfigFields? scaling, int rotaryDim, float theta)
    {
        string type = scaling?.TextOrNull("rope_type") ?? scaling?.TextOrNull("type") ?? "default";
        if (scaling is null || type == "default")
            return Unscaled(c.File, rotaryDim, theta);
        float[] powers = Powers(c.File, rotaryDim, theta);
        return type switch
        {
            "linear" => new RopeConfig(Linear(Inverse(powers), Factor(scaling)), 1),
            "llama3" => new RopeConfig(Llama3(Inverse(powers), c, scaling), 1),
            "yarn" => Yarn(powers, theta, c, scaling),
            "longrope" or "su" => LongRope(powers, c, scaling),
            _ => throw c.Error($"the rope type {type} is not known; known are default, linear, llama3, longrope and yarn."),
        };
    }

    private static float[] Powers(string file, int rotaryDim, float theta)
    {
        if (rotaryDim < 2 || rotaryDim % 2 != 0)
        {
            throw FileError.At(
                file, $"{rotaryDim} rotating columns of a head must be an even number from 2 on; correct head_dim or the rotary factor.");
        }

        if (!(theta > 0))
            throw FileError.At(file, "rope_theta must be above 0; correct it.");
        var powers = new float[rotaryDim / 2];
        for (int i = 0; i < powers.Length; i++)
            powers[i] = (float)Math.Pow(theta, 2 * i / (float)rotaryDim);
        return powers;
    }

    private static float[] Inverse(float[] powers) => Array.ConvertAll(powers, p => 1 / p);

    private static float Factor(ConfigFields scaling)
    {
        float factor = scaling.Float("factor");
        return factor > 0 ? factor : throw scaling.Error("factor", "must be above 0; correct it.");
    }

    private static float[] Linear(float[] frequencies, float factor) => Array.ConvertAll(frequencies, f => f / factor);

    // Long waves are slowed down, short ones kept, and those between blended.
    private static float[] Llama3(float[] frequencies, ConfigFields c, ConfigFields scaling)
    {
        float factor = Factor(scaling);
        float low = scaling.Float("low_freq_factor");
        float high = scaling.Float("high_freq_factor");
        float context = OriginalMaxPositions(c, scaling);
        if (!(low > 0 && high > low))
            throw scaling.Error("high_freq_factor", "must be above low_freq_factor, and that above 0; correct it.");
        return Array.ConvertAll(frequencies, f =>
        {
            float wavelength = 2 * MathF.PI / f;
            if (wavelength > context / low)
                return f / factor;
            if (wavelength < context / high)
                return f;
            float smooth = (context / wavelength - low) / (high - low);
            return (1 - smooth) * f / factor + smooth * f;
        });
    }

    // Pairs that turn often within the original context keep their frequency, those that turn seldom are slowed down by the factor,
    // and a ramp over the pairs between blends the two.
    private static RopeConfig Yarn(float[] powers, float theta, ConfigFields c, ConfigFields scaling)
    {
        int rotaryDim = 2 * powers.Length;
        double context = OriginalMaxPositions(c, scaling);
        // transformers 4 takes the ratio of the two contexts even where a factor is given; transformers 5 and the paper take the factor.
        double factor = scaling.Has("factor") ? Factor(scaling) : c.Positive("max_position_embeddings") / context;
        float attentionFactor = scaling.FloatOrNull("attention_factor") ?? YarnAttentionFactor(scaling, factor);

        double low = PairThatTurns(PositiveOr(scaling, "beta_fast", 32));
        double high = PairThatTurns(PositiveOr(scaling, "beta_slow", 1));
        if (scaling.Bool("truncate", true))
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, rotaryDim - 1);
        if (low == high)
            high += 0.001;

        var frequencies = new float[powers.Length];
        for (int i = 0; i < frequencies.Length; i++)
        {
            float ramp = Math.Clamp((i - (float)low) / (float)(high - low), 0, 1);
            float kept = 1 - ramp;
            frequencies[i] = 1 / ((float)factor * powers[i]) * (1 - kept) + 1 / powers[i] * kept;
        }

        return new RopeConfig(frequencies, attentionFactor);

        double PairThatTurns(double times) =>
            rotaryDim * Math.Log(context / (times * 2 * Math.PI)) / (2 * Math.Log(theta));
    }

    // Each pair has a factor of its own: one in contexts up to the original length, another in longer ones.
    private static RopeConfig LongRope(float[] powers, ConfigFields c, ConfigFields scaling)
    {
        int context = OriginalMaxPositions(c, scaling);
        double factor = scaling.Has("factor") ? Factor(scaling) : (double)c.Positive("max_position_embeddings") / context;
        float attentionFactor = scaling.FloatOrNull("attention_factor")
            ?? (factor <= 1 ? 1 : (float)Math.Sqrt(1 + Math.Log(factor) / Math.Log(context)));
        return new RopeConfig(Slowed("short_factor"), attentionFactor) { Long = new LongContextRope(context, Slowed("long_factor")) };

        float[] Slowed(string name)
        {
            List<float> factors = scaling.Floats(name);
            if (factors.Count != powers.Length)
                throw scaling.Error(name, $"has {factors.Count} numbers where {powers.Length} pairs of columns rotate; correct it.");
            if (!factors.All(f => f > 0))
                throw scaling.Error(name, "must hold numbers above 0; correct it.");
            return [.. powers.Zip(factors, (power, f) => 1 / (f * power))];
        }
    }

    private static float PositiveOr(ConfigFields scaling, string name, float fallback)
    {
        float value = scaling.Float(name, fallback);
        if (value < 0)
            throw scaling.Error(name, "must be above 0; correct it.");
        return value == 0 ? fallback : value;
    }

    private static float YarnAttentionFactor(ConfigFields scaling, double factor)
    {
        double numerator = scaling.Float("mscale", 0);
        double denominator = scaling.Float("mscale_all_dim", 0);
        return numerator != 0 && denominator != 0
            ? (float)(Magnitude(numerator) / Magnitude(denominator))
            : (float)Magnitude(1);

        double Magnitude(double mscale) => factor <= 1 ? 1 : 0.1 * mscale * Math.Log(factor) + 1;
    }

    private static int OriginalMaxPositions(ConfigFields c, ConfigFields scaling) =>
        scaling.PositiveOrNull("original_max_position_embeddings")
        ?? c.PositiveOrNull("original_max_position_embeddings")
        ?? c.Positive("max_position_embeddings");
}
