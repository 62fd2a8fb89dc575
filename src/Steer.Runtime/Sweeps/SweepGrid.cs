using System.Text.Json;
using System.Text.Json.Serialization;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Sweeps;

/// <summary>Values of each parameter, all of whose combinations are cells.</summary>
public sealed record SweepGrid
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        MaxDepth = 4,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    /// <summary>Rows of weights.</summary>
    public IReadOnlyList<GuidancePreset> Presets { get; init; } = [GuidancePreset.Steer];

    /// <summary>Strengths of the preset.</summary>
    public IReadOnlyList<float> Gamma { get; init; } = [0, 0.2f, 0.4f, 0.6f];

    /// <summary>Weights of the negatives.</summary>
    public IReadOnlyList<float> Eta { get; init; } = [0, 0.2f, 0.4f];

    /// <summary>Masks; null for the preset's own.</summary>
    public IReadOnlyList<float?> Alpha { get; init; } = [null];

    /// <summary>Temperatures.</summary>
    public IReadOnlyList<float> Temperature { get; init; } = [1];

    /// <summary>Numbers of negatives.</summary>
    public IReadOnlyList<int> Negatives { get; init; } = [10];

    /// <summary>The cells, gamma changing fastest; those that would make the same texts stand once.</summary>
    public IReadOnlyList<SweepCell> Cells() =>
    [
        .. (from preset in Presets
            from negatives in Negatives
            from temperature in Temperature
            from alpha in Alpha
            from eta in Eta
            from gamma in Gamma
            select new SweepCell { Preset = preset, Gamma = gamma, Eta = eta, Alpha = alpha, Temperature = temperature, Negatives = negatives }
                .Normalized()).Distinct(),
    ];

    /// <summary>
    /// Reads a list of cells: a JSON array of objects with preset, gamma, eta, alpha, temperature, negatives, sum_to_one; what is left out has its
    /// default.
    /// </summary>
    /// <exception cref="SteerException">The file cannot be read or is no such list.</exception>
    public static IReadOnlyList<SweepCell> ReadCells(string path)
    {
        try
        {
            using var stream = GitLfs.OpenRead(path);
            var cells = JsonSerializer.Deserialize<SweepCell?[]>(stream, Format) ?? [];
            return cells.Length > 0 && cells.All(c => c is not null)
                ? [.. cells.Select(c => c!.Normalized()).Distinct()]
                : throw new SteerException($"{path}: holds no cells. Give a JSON array such as [{{\"gamma\": 0.2, \"eta\": 0.4}}].");
        }
        catch (JsonException e)
        {
            throw new SteerException(
                $"{path}: is no list of cells ({JsonFault.Describe(e)}). Give a JSON array such as [{{\"gamma\": 0.2, \"eta\": 0.4}}].", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(path, e, "Give the path of a JSON file.");
        }
    }
}
