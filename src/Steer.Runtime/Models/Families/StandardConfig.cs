using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>The fields of config.json that Llama and most later families share.</summary>
internal static class StandardConfig
{
    /// <summary>A decoder with a gated feed-forward block, rotary positions on every layer, and scores scaled by 1 / sqrt(head dim).</summary>
    /// <param name="c">config.json.</param>
    /// <param name="ropeTheta">Base of the rotation where config.json has none.</param>
    /// <param name="partialRotaryFactor">Part of each head that rotates where config.json does not say.</param>
    /// <param name="activation">The nonlinearity; null for hidden_act, and silu where that is missing.</param>
    /// <param name="headDim">Width of a head where config.json has no head_dim at all; 0 for hidden size / heads.</param>
    public static DecoderConfig Read(
        ConfigFields c, float ropeTheta = 10000, double partialRotaryFactor = 1, string? activation = null, int headDim = 0)
    {
        int hiddenSize = c.Size("hidden_size");
        int numHeads = c.Size("num_attention_heads");
        if (headDim == 0 || c.Has("head_dim") || c.IsNull("head_dim"))
            headDim = c.SizeOrNull("head_dim") ?? PerHead(c, hiddenSize, numHeads);
        return new DecoderConfig
        {
            Architecture = "", // FamilyTable knows it.
            VocabSize = c.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = c.Size("intermediate_size"),
            NumHeads = numHeads,
            NumKvHeads = KvHeads(c, c.Size("num_key_value_heads", numHeads), numHeads),
            HeadDim = headDim,
            MaxPositions = c.Positive("max_position_embeddings"),
            Activation = Activation(c, activation ?? c.TextOrNull("hidden_act") ?? "silu"),
            GatedMlp = true,
            Layers = Layers(c.LayerCount("num_hidden_layers"), new LayerConfig(Scale(headDim), Window: 0, Rope: 0, IsMoe: false)),
            Ropes = [RopeReader.Read(c, headDim, ropeTheta, partialRotaryFactor)],
        };
    }

    /// <summary>The same for every layer.</summary>
    public static LayerConfig[] Layers(int count, LayerConfig layer)
    {
        var layers = new LayerConfig[count];
        Array.Fill(layers, layer);
        return layers;
    }

    /// <summary>Each layer changed by its number.</summary>
    public static LayerConfig[] EachLayer(this DecoderConfig config, Func<LayerConfig, int, LayerConfig> change) =>
        [.. config.Layers.Select(change)];

    /// <summary>1 / sqrt(head dim), rounded once.</summary>
    public static float Scale(double headDim) => (float)(1 / Math.Sqrt(headDim));

    /// <summary>hidden size / heads, which must come out even.</summary>
    public static int PerHead(ConfigFields c, int hiddenSize, int numHeads) => hiddenSize % numHeads == 0
        ? hiddenSize / numHeads
        : throw c.Error($"{numHeads} heads do not divide a hidden size of {hiddenSize}; correct it.");

    /// <summary>Checks that key heads divide query heads.</summary>
    public static int KvHeads(ConfigFields c, int numKvHeads, int numHeads) => numHeads % numKvHeads == 0
        ? numKvHeads
        : throw c.Error($"{numKvHeads} key and value heads do not divide {numHeads} heads; correct it.");

    /// <summary>The nonlinearity by the name that config.json has for it.</summary>
    public static Activation Activation(ConfigFields c, string name) => name switch
    {
        "silu" or "swish" => Kernels.Activation.Silu,
        "gelu" or "gelu_python" => Kernels.Activation.Gelu,
        "gelu_new" or "gelu_fast" or "gelu_pytorch_tanh" => Kernels.Activation.GeluTanh,
        "relu" => Kernels.Activation.Relu,
        _ => throw c.Error($"the activation {name} is not known; known are silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh and relu."),
    };
}
