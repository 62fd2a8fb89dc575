using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints;

/// <summary>
/// A model's configuration and its tensors, mapped into memory: a Hugging Face folder (config.json with model.safetensors, or its
/// shards), a GGUF file (or a folder with one and no safetensors), or a llama2.c version 0 file. Must live as long as its tensors are read.
/// </summary>
public sealed class Checkpoint : IDisposable
{
    private const string ConfigFile = "config.json";
    private const string GenerationConfigFile = "generation_config.json";

    private readonly TensorCatalog _catalog;

    private Checkpoint(string path, TensorCatalog catalog, ModelPlan plan)
    {
        _catalog = catalog;
        Path = path;
        Plan = plan;
        Config = plan.Config;
        (Tensors, Stored) = TensorMapper.Map(catalog, plan);
        ParameterCount = Stored.Values.Sum(t => t.Count);
        StoredType = Stored.Values.GroupBy(t => t.TypeName).MaxBy(g => g.Sum(t => t.Count))!.Key.ToLowerInvariant();
    }

    /// <summary>As it was given.</summary>
    public string Path { get; }

    /// <summary>What the forward pass needs to know.</summary>
    public DecoderConfig Config { get; }

    /// <summary>The tensors, in the order of the forward pass.</summary>
    public DecoderTensors Tensors { get; }

    /// <summary>The type that most numbers are stored in, such as bf16 or q4_k.</summary>
    public string StoredType { get; }

    /// <summary>Numbers in all tensors; a tied head counts once.</summary>
    public long ParameterCount { get; }

    /// <summary>Tokens that end a text: generation_config.json's, or else config.json's, or those that a GGUF file names.</summary>
    public IReadOnlyList<int> EosIds { get; private init; } = [];

    /// <summary>Token that begins a text, or null.</summary>
    public int? BosId { get; private init; }

    /// <summary>How the tensors were found.</summary>
    internal ModelPlan Plan { get; }

    /// <summary>The stored tensors by the full names that adapters use, whatever prefix the files leave out.</summary>
    internal IReadOnlyDictionary<string, StoredTensor> Stored { get; }

    /// <summary>Opens a checkpoint and checks every size in it; weights are read later, when a device packs them.</summary>
    /// <exception cref="SteerException">A file is missing or damaged, the architecture is not known, or tensors do not fit config.json.</exception>
    public static Checkpoint Open(string path)
    {
        if (GgufFile.Find(path) is { } gguf)
            return OpenGguf(path, gguf);
        if (Directory.Exists(path))
            return OpenFolder(path);
        if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            throw FileError.At(path, "holds weights without their config.json; give the folder that holds both.");
        return OpenLlama2c(path);
    }

    /// <inheritdoc/>
    public void Dispose() => _catalog.Dispose();

    /// <summary>Maps the tensors anew with some of them replaced.</summary>
    internal DecoderTensors MapTensors(TensorOverlay overlay) => TensorMapper.Map(_catalog, Plan, overlay).Tensors;

    private static Checkpoint OpenLlama2c(string path)
    {
        (TensorCatalog catalog, ModelPlan plan) = Llama2cFile.Open(path);
        try
        {
            return new Checkpoint(path, catalog, plan) { EosIds = [Llama2cFile.BosId], BosId = Llama2cFile.BosId };
        }
        catch
        {
            catalog.Dispose();
            throw;
        }
    }

    private static Checkpoint OpenGguf(string path, string file)
    {
        GgufModel.Opened opened = GgufModel.Open(file);
        try
        {
            return new Checkpoint(path, opened.Catalog, opened.Plan) { EosIds = opened.EosIds, BosId = opened.BosId };
        }
        catch
        {
            opened.Catalog.Dispose();
            throw;
        }
    }

    private static Checkpoint OpenFolder(string folder)
    {
        string configPath = System.IO.Path.Combine(folder, ConfigFile);
        if (!File.Exists(configPath))
        {
            throw FileError.At(folder, Adapter.IsAdapter(folder)
                ? "is an adapter, not a whole model; give it as the expert, and its base model as the base."
                : "holds neither config.json, as a whole model does, nor adapter_config.json, as the adapter of an expert does; check the path.");
        }

        ConfigFields config = ConfigFields.ReadFile(configPath);
        TensorCatalog catalog = TensorCatalog.OpenFolder(folder);
        try
        {
            config = config.WithLimits(catalog.Count, catalog.Tensors.Count);
            string generationPath = System.IO.Path.Combine(folder, GenerationConfigFile);
            ConfigFields? generation = File.Exists(generationPath) ? ConfigFields.ReadFile(generationPath) : null;
            return new Checkpoint(folder, catalog, FamilyTable.Plan(config))
            {
                EosIds = generation?.IntsOrNull("eos_token_id") ?? config.IntsOrNull("eos_token_id") ?? [],
                BosId = generation?.IntOrNull("bos_token_id") ?? config.IntOrNull("bos_token_id"),
            };
        }
        catch
        {
            catalog.Dispose();
            throw;
        }
    }
}
