using Steer.Kernels;
using Steer.Runtime.Models;

namespace Steer.Runtime.Checkpoints;

/// <summary>A LoRA adapter that PEFT saved, checked against the base model that it changes.</summary>
public sealed class Adapter : IDisposable
{
    private const string ConfigFile = "adapter_config.json";

    private Adapter(string path, DecoderTensors tensors)
    {
        Path = path;
        Tensors = tensors;
    }

    /// <summary>As it was given.</summary>
    public string Path { get; }

    /// <summary>The base model's tensors, with those replaced that the adapter brings whole. What does not change is the same object.</summary>
    public DecoderTensors Tensors { get; }

    /// <summary>Whether a folder is an adapter.</summary>
    public static bool IsAdapter(string path) => File.Exists(System.IO.Path.Combine(path, ConfigFile));

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
