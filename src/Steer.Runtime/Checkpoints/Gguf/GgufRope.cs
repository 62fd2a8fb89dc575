using System.Text.Json.Nodes;
using Steer.Runtime.Models;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Rotary frequencies of GGUF files: keys for most kinds of scaling, tensors of factors for llama3's and longrope's.</summary>
internal static class GgufRope
{
    private const string Factors = "rope_freqs.weight";
    private const string ShortFactors = "rope_factors_short.weight";
    private const string LongFactors = "rope_factors_long.weight";
    private const string OriginalContext = "rope.scaling.original_context_length";

    /// <summary>The tensors that it reads; each file has some of them or none.</summary>
    public static IReadOnlyList<string> Tensors { get; } = [Factors, ShortFactors, LongFactors];

    /// <summary>Sets the fields of config.json that concern rotation.</summary>
    public static void Read(GgufReader reader)
    {
        reader.Set("rope_theta", reader.NumberOrNull("rope.freq_base") ?? 10000);
        long headDim = reader.HeadDim, rotating = reader.IntegerOrNull("rope.dimension_count") ?? headDim;
        if (rotating != headDim)
        {
            if (rotating < 2 || rotating > headDim)
                throw reader.Error("rope.dimension_count", $"is {rotating} for heads of {headDim} numbers; copy or download the file again.");
            // The half makes sure that head width times factor, cut to a whole number, is the width again.
            double factor = (rotating + 0.5) / headDim;
            reader.Set("partial_rotary_factor", factor);
            reader.Set("rotary_pct", factor);
        }
        else
        {
            reader.Set("partial_rotary_factor", 1);
            reader.Set("rotary_pct", 1);
        }

        if ((reader.HasTensor(LongFactors) ? LongRope(reader, rotating / 2) : Scaling(reader)) is { } scaling)
            reader.Set("rope_scaling", scaling);
    }

    /// <summary>Divides a model's frequencies by the factors that the file brings, where it brings some.</summary>
    /// <exception cref="SteerException">They do not fit.</exception>
    public static DecoderConfig Apply(GgufFile file, DecoderConfig config)
    {
        if (!file.Tensors.TryGetValue(Factors, out GgufTensor? stored))
            return config;
        var tensor = new BlockTensor(Factors, stored, stored.Shape);
        if (config.Ropes.Count == 0)
            throw tensor.Error($"has no place in {config.Architecture}, which does not rotate; convert the model again.");
        tensor.CheckShape(config.Ropes[0].InverseFrequencies.Length);
        float[] factors = tensor.ReadFinite();
        float[] frequencies = [.. config.Ropes[0].InverseFrequencies.Zip(factors, (frequency, factor) => frequency / factor)];
        if (!frequencies.All(float.IsFinite))
            throw tensor.Error("holds a zero; the file is damaged, copy or download it again.");
        return config with { Ropes = [config.Ropes[0] with { InverseFrequencies = frequencies }, .. config.Ropes.Skip(1)] };
    }

    // Whatever the type of scaling is called: the factors make it longrope, as in llama.cpp.
    private static JsonObject LongRope(GgufReader reader, long pairs)
    {
        var scaling = new JsonObject
        {
            ["rope_type"] = "longrope",
            ["short_factor"] = FactorsOf(ShortFactors),
            ["long_factor"] = FactorsOf(LongFactors),
            ["attention_factor"] = reader.NumberOrNull("rope.scaling.attn_factor") ?? 1,
        };
        if (reader.IntegerOrNull(OriginalContext) is { } context)
            scaling["original_max_position_embeddings"] = context;
        return scaling;

        JsonArray FactorsOf(string name)
        {
            if (!reader.File.Tensors.TryGetValue(name, out GgufTensor? stored))
                throw reader.File.Metadata.Error(name, "is missing beside the other factors of longrope; copy or download the file again.");
            var tensor = new BlockTensor(name, stored, stored.Shape);
            tensor.CheckShape(pairs);
            return new JsonArray([.. tensor.ReadFinite().Select(factor => JsonValue.Create(factor))]);
        }
    }

    private static JsonObject? Scaling(GgufReader reader)
    {
        string? type = reader.TextOrNull("rope.scaling.type");
        double factor = reader.NumberOrNull("rope.scaling.factor") ?? reader.NumberOrNull("rope.scale_linear") ?? 0;
        switch (type)
        {
            case "none":
            case null when factor is 0 or 1:
                return null;
            case null:
                return new JsonObject { ["rope_type"] = "linear", ["factor"] = factor };
        }

        var scaling = new JsonObject { ["rope_type"] = type };
        if (factor != 0)
            scaling["factor"] = factor;
        if (reader.IntegerOrNull(OriginalContext) is { } context)
            scaling["original_max_position_embeddings"] = context;
        foreach ((string key, string field) in (ReadOnlySpan<(string, string)>)
            [("yarn_attn_factor", "attention_factor"), ("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")])
        {
            if (reader.NumberOrNull($"rope.scaling.{key}") is { } number)
                scaling[field] = number;
        }

        return scaling;
    }
}
