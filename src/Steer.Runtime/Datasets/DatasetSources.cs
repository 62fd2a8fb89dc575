using Steer.Kernels;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Datasets;

/// <summary>The files that a dataset job is made from.</summary>
/// <param name="Real">Real examples: the pool to begin with, and what texts must not repeat.</param>
/// <param name="Hashes">A hash of the contents of each file or folder by what it is: base, expert, tokenizer, task, real.</param>
/// <param name="Device">Kind of device, such as cpu: the last bits of a log-probability differ between kinds.</param>
/// <param name="Weights">The types of numbers and the longest context that were asked for, such as "int8, f32 activations, bf16 keys and values, at
/// most 8192 tokens"; null for those of the checkpoint.</param>
public sealed record DatasetSources(IReadOnlyList<string> Real, IReadOnlyDictionary<string, string> Hashes, string Device, string? Weights)
{
    /// <summary>The label of each real example, null for one that has none; empty where none has.</summary>
    public IReadOnlyList<string?> RealLabels { get; init; } = [];

    /// <summary>
    /// The command line that asks for this job, for its card; null where a program of its own does. Not compared when a job goes on.
    /// </summary>
    public string? Command { get; init; }

    /// <summary>Hashes files and folders.</summary>
    /// <param name="real">Real examples.</param>
    /// <param name="paths">What each is and where it lies; those without a path are left out.</param>
    /// <param name="options">Device and weights of the engine.</param>
    /// <exception cref="SteerException">A file cannot be read.</exception>
    public static DatasetSources Read(IReadOnlyList<string> real, IEnumerable<(string Name, string? Path)> paths, EngineOptions options) => new(
        real,
        paths.Where(p => p.Path is not null).ToDictionary(p => p.Name, p => ContentHash.Of(p.Path!), StringComparer.Ordinal),
        options.Device.Split(':')[0],
        Types(options));

    private static string? Types(EngineOptions options)
    {
        List<string> asked = [];
        if (options.Weights is { } weights)
            asked.Add(weights.Name());
        if (options is { Weights: not null, ExactActivations: true })
            asked.Add("f32 activations");
        if (options.KvCacheType is { } cache)
            asked.Add($"{cache.Name()} keys and values");
        if (options.MaxLength is { } length)
            asked.Add($"at most {length} tokens");
        return asked.Count > 0 ? string.Join(", ", asked) : null;
    }
}
