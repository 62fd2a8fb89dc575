using System.Text.Json;
using System.Text.Json.Nodes;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// LoRA adapters in GGUF files, as llama.cpp's convert_lora_to_gguf.py writes them: for each module blk.3.attn_q.weight.lora_a [rank, in] and .lora_b
/// [out, rank], whose rows stand in the base's order in GGUF files.
/// </summary>
internal static class GgufAdapter
{
    private const string Alpha = "adapter.lora.alpha";
    private const string EndOfA = ".weight.lora_a";
    private const string EndOfB = ".weight.lora_b";

    /// <summary>Whether a file holds an adapter.</summary>
    public static bool IsAdapter(GgufFile file) => file.Metadata.TextOrNull("general.type") == "adapter";

    /// <summary>What an adapter changes, as a PEFT folder would say it.</summary>
    /// <exception cref="SteerException">It is damaged, of another kind, or made for another architecture than the base's.</exception>
    public static (AdapterConfig Config, AdapterTensors Tensors) Read(GgufFile file, Checkpoint baseCheckpoint)
    {
        GgufMetadata metadata = file.Metadata;
        if (metadata.Text("adapter.type") is not "lora" and var type)
            throw metadata.Error("adapter.type", $"is {type}; only lora can be loaded.");
        if (metadata.IsArray("adapter.alora.invocation_tokens"))
            throw metadata.Error("adapter.alora.invocation_tokens", "is set, which is not supported; train a plain LoRA.");
        string architecture = metadata.Text(GgufConfig.Architecture);
        if (!GgufConfig.IsOf(architecture, baseCheckpoint.Config.Architecture))
        {
            throw FileError.At(file.Path, $"was made for the architecture {architecture}, but the base {baseCheckpoint.Path} is of " +
                $"{baseCheckpoint.Config.Architecture}; give the adapter's own base.");
        }

        var tensors = new AdapterTensors();
        var names = new GgufNames(baseCheckpoint.Plan.Tensors.Names);
        var layout = new GgufLayout(architecture, baseCheckpoint.Plan);
        foreach (GgufTensor stored in file.Tensors.Values)
            Place(file, stored, names, layout, tensors);
        if (tensors.Lora.Count == 0)
            throw FileError.At(file.Path, "holds no tensors of an adapter; copy or download it again.");
        return (AdapterConfig.Of(Config(file, tensors)), tensors);
    }

    private static void Place(GgufFile file, GgufTensor stored, GgufNames names, GgufLayout layout, AdapterTensors tensors)
    {
        bool isA = stored.Name.EndsWith(EndOfA, StringComparison.Ordinal);
        if (!isA && !stored.Name.EndsWith(EndOfB, StringComparison.Ordinal))
            throw Error(stored.Name, "is of an unknown kind; only tensors named .weight.lora_a and .weight.lora_b can be loaded.");
        string module = stored.Name[..^EndOfA.Length];
        if (module is "token_embd" or "position_embd")
            throw Error(stored.Name, "adapts an embedding, which is not supported; merge the adapter into its base.");

        // A module that the family does not have keeps its name, and is refused by it when it is not found in the base.
        string name = names.ToHuggingFace(module) ?? module;
        if (!tensors.Lora.TryGetValue(name, out LoraTensors? lora))
            tensors.Lora.Add(name, lora = new LoraTensors());
        if (isA)
        {
            lora.A = new BlockTensor(stored.Name, stored, stored.Shape);
            return;
        }

        GgufNames.IsOfLayer(module, out _, out string ofLayer);
        lora.B = new BlockTensor(stored.Name, stored, stored.Shape, layout.RowMap(ofLayer, stored.Shape[0]));

        SteerException Error(string tensor, string problem) => FileError.At(file.Path, $"tensor {tensor} {problem}");
    }

    // Each module has the rank of its tensors; an alpha of 0 stands for a change that is not scaled.
    private static ConfigFields Config(GgufFile file, AdapterTensors tensors)
    {
        double alpha = file.Metadata.NumberOrNull(Alpha) ?? 0;
        var ranks = new JsonObject();
        var alphas = new JsonObject();
        foreach ((string module, LoraTensors lora) in tensors.Lora)
        {
            long rank = lora.A?.Shape[0] ?? 1;
            ranks[module] = rank;
            alphas[module] = alpha == 0 ? rank : alpha;
        }

        string baseName = file.Metadata.TextOrNull("general.base_model.0.name") ?? "(unknown)";
        return ConfigFields.Parse(file.Path, JsonSerializer.SerializeToUtf8Bytes(new JsonObject
        {
            ["peft_type"] = "LORA",
            ["base_model_name_or_path"] = baseName,
            ["r"] = 1,
            ["rank_pattern"] = ranks,
            ["alpha_pattern"] = alphas,
        }));
    }
}
