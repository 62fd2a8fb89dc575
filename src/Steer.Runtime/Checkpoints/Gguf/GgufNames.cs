using System.Globalization;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// The names that modules (tensors without .weight and .bias) have in GGUF files, and those that a family gives them in Hugging Face folders.
/// GGUF's are the same for all families: token_embd, blk.3.attn_q, output.
/// </summary>
internal sealed class GgufNames
{
    private readonly TensorNames _names;
    private readonly Dictionary<string, string> _whole = [];
    private readonly Dictionary<string, string> _ofLayer = [];

    /// <summary>The names of a family.</summary>
    public GgufNames(TensorNames names)
    {
        _names = names;
        Add(_whole, "token_embd", names.Prefix + names.Embedding);
        Add(_whole, "position_embd", names.PositionEmbedding is null ? null : names.Prefix + names.PositionEmbedding);
        Add(_whole, "token_embd_norm", names.EmbeddingNorm is null ? null : names.Prefix + names.EmbeddingNorm);
        Add(_whole, "output_norm", names.FinalNorm is null ? null : names.Prefix + names.FinalNorm);
        Add(_whole, "output", names.Head);

        // Falcon's norm before attention has the second place where its two blocks have one each.
        bool falcon = names is { AttentionNorm: "ln_attn", MlpNorm: "ln_mlp" };
        Add(_ofLayer, falcon ? "attn_norm_2" : "attn_norm", names.AttentionNorm);
        Add(_ofLayer, falcon ? "attn_norm" : "ffn_norm", names.MlpNorm);
        Add(_ofLayer, "post_attention_norm", names.PostAttentionNorm);
        Add(_ofLayer, "post_ffw_norm", names.PostMlpNorm);
        Add(_ofLayer, "attn_q_norm", names.QueryNorm);
        Add(_ofLayer, "attn_k_norm", names.KeyNorm);
        Add(_ofLayer, "attn_output", names.Output);
        Add(_ofLayer, "ffn_down", names.Down);
        Add(_ofLayer, "ffn_gate_inp", names.Router);
        Add(_ofLayer, "ffn_up", names.Up[^1]);
        if (names.Up.Length == 2)
            Add(_ofLayer, "ffn_gate", names.Up[0]);
        if (names.Qkv.Length == 1)
        {
            Add(_ofLayer, "attn_qkv", names.Qkv[0]);
            return;
        }

        Add(_ofLayer, "attn_q", names.Qkv[0]);
        Add(_ofLayer, "attn_k", names.Qkv[1]);
        Add(_ofLayer, "attn_v", names.Qkv[2]);
    }

    /// <summary>Splits blk.3.attn_q into the layer's number and the name in it.</summary>
    public static bool IsOfLayer(string module, out int layer, out string name)
    {
        (layer, name) = (0, "");
        if (!module.StartsWith("blk.", StringComparison.Ordinal) || module.IndexOf('.', 4) is not (> 0 and var dot))
            return false;
        name = module[(dot + 1)..];
        return int.TryParse(module.AsSpan(4, dot - 4), NumberStyles.None, CultureInfo.InvariantCulture, out layer);
    }

    /// <summary>The name in a Hugging Face folder of a module of a GGUF file, or null where the family has none of that name.</summary>
    public string? ToHuggingFace(string module)
    {
        if (_whole.TryGetValue(module, out string? whole))
            return whole;
        return IsOfLayer(module, out int layer, out string name) && _ofLayer.TryGetValue(name, out string? ofLayer) ? Layer(layer) + ofLayer : null;
    }

    /// <summary>Query, key and value of a layer in a Hugging Face folder, where they are three.</summary>
    public IReadOnlyList<string> Qkv(int layer) => [.. _names.Qkv.Select(name => Layer(layer) + name)];

    /// <summary>
    /// A matrix of one expert of a mixture in a Hugging Face folder; null where <paramref name="kind"/> is none of ffn_gate, ffn_up and ffn_down or
    /// the family has no mixture.
    /// </summary>
    public string? Expert(int layer, string kind, int expert)
    {
        string? name = kind switch
        {
            _ when _names.Router is null => null,
            "ffn_gate" => _names.ExpertUp[0],
            "ffn_up" => _names.ExpertUp[1],
            "ffn_down" => _names.ExpertDown,
            _ => null,
        };
        return name is null ? null : string.Create(CultureInfo.InvariantCulture, $"{Layer(layer)}{_names.Experts}.{expert}.{name}");
    }

    /// <summary>A tensor's name in a GGUF file by that in a Hugging Face folder, for errors; itself where there is none.</summary>
    public string ToGguf(string tensor)
    {
        int dot = tensor.LastIndexOf('.');
        string module = tensor[..Math.Max(0, dot)], suffix = tensor[Math.Max(0, dot)..];
        if (Find(_whole, module) is { } whole)
            return whole + suffix;
        string layers = $"{_names.Prefix}{_names.Layers}.";
        if (!module.StartsWith(layers, StringComparison.Ordinal) || module.IndexOf('.', layers.Length) is not (> 0 and var end))
            return tensor;
        return Find(_ofLayer, module[(end + 1)..]) is { } name ? $"blk.{module[layers.Length..end]}.{name}{suffix}" : tensor;
    }

    private string Layer(int layer) => string.Create(CultureInfo.InvariantCulture, $"{_names.Prefix}{_names.Layers}.{layer}.");

    private static string? Find(Dictionary<string, string> names, string value) => names.FirstOrDefault(pair => pair.Value == value).Key;

    private static void Add(Dictionary<string, string> names, string gguf, string? huggingFace)
    {
        if (huggingFace is not null)
            names.Add(gguf, huggingFace);
    }
}
