using Steer.Kernels;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints;

/// <summary>
/// A LoRA adapter (arXiv 2106.09685): a folder that PEFT saved, or a GGUF file, checked against the base model that it changes. Must live, and its
/// base too, as long as its segments and tensors are read.
/// </summary>
public sealed class Adapter : IDisposable
{
    private const string ConfigFile = "adapter_config.json";
    private const string WeightsFile = "adapter_model.safetensors";

    private readonly IDisposable _file;
    private readonly Dictionary<LinearTensors, List<LoraSegment>> _segments;

    private Adapter(string path, IDisposable file, AdapterTensors stored, AdapterBuilder built)
    {
        _file = file;
        Path = path;
        Tensors = built.Tensors;
        _segments = built.Segments;
        Modules = built.Modules;
        Ranks = built.Ranks;
        ParameterCount = stored.All.Sum(t => t.Count);
    }

    /// <summary>As it was given.</summary>
    public string Path { get; }

    /// <summary>
    /// The base model's tensors, with those replaced that the adapter brings whole (modules_to_save, and biases of norms). A projection that
    /// stays is the same object as the base's, so that its packed weight is shared.
    /// </summary>
    public DecoderTensors Tensors { get; }

    /// <summary>Numbers in all tensors of the adapter.</summary>
    public long ParameterCount { get; }

    /// <summary>Names of the modules that get a low-rank change, in order.</summary>
    public IReadOnlyList<string> Modules { get; }

    /// <summary>The different ranks of these changes, ascending.</summary>
    public IReadOnlyList<int> Ranks { get; }

    /// <summary>Whether a path is that of an adapter.</summary>
    /// <exception cref="SteerException">It is that of a damaged GGUF file.</exception>
    public static bool IsAdapter(string path)
    {
        if (File.Exists(System.IO.Path.Combine(path, ConfigFile)))
            return true;
        if (GgufFile.Find(path) is not { } gguf)
            return false;
        using GgufFile file = GgufFile.Open(gguf);
        return GgufAdapter.IsAdapter(file);
    }

    /// <summary>Opens an adapter and checks every module and shape against its base.</summary>
    /// <exception cref="SteerException">A file is missing or damaged, the adapter belongs to another base, or it is of a kind that is not
    /// supported.</exception>
    public static Adapter Open(string path, Checkpoint baseCheckpoint) =>
        !File.Exists(System.IO.Path.Combine(path, ConfigFile)) && GgufFile.Find(path) is { } gguf
            ? OpenGguf(path, gguf, baseCheckpoint)
            : OpenFolder(path, baseCheckpoint);

    /// <summary>Projections of <see cref="Tensors"/> that get a low-rank change.</summary>
    public IReadOnlyCollection<LinearTensors> Adapted => _segments.Keys;

    /// <summary>What the adapter changes in a projection of <see cref="Tensors"/>; null where it leaves it alone.</summary>
    /// <remarks>For a head tied to the embedding these are the head's: embeddings themselves are never adapted.</remarks>
    public IReadOnlyList<LoraSegment>? SegmentsFor(LinearTensors linear) => _segments.GetValueOrDefault(linear);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static Adapter OpenGguf(string path, string weights, Checkpoint baseCheckpoint)
    {
        GgufFile file = GgufFile.Open(weights);
        try
        {
            (AdapterConfig config, AdapterTensors tensors) = GgufAdapter.Read(file, baseCheckpoint);
            return new Adapter(path, file, tensors, new AdapterBuilder(config, tensors, weights, baseCheckpoint));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static Adapter OpenFolder(string path, Checkpoint baseCheckpoint)
    {
        AdapterConfig config = AdapterConfig.Read(System.IO.Path.Combine(path, ConfigFile));
        string weights = System.IO.Path.Combine(path, WeightsFile);
        if (!File.Exists(weights))
            throw FileError.At(path, $"holds no {WeightsFile}; save the adapter with safe_serialization=True.");
        SafetensorsFile file = SafetensorsFile.Open(weights);
        try
        {
            AdapterTensors tensors = AdapterTensors.Sort(file);
            return new Adapter(path, file, tensors, new AdapterBuilder(config, tensors, weights, baseCheckpoint));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
