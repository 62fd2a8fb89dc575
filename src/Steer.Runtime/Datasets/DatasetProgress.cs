using System.Text.Encodings.Web;
using System.Text.Json;

namespace Steer.Runtime.Datasets;

/// <summary>How far a job is; also the content of progress.json.</summary>
public sealed record DatasetProgress
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        NewLine = "\n",
    };

    /// <summary>Examples asked for.</summary>
    public required int Count { get; init; }

    /// <summary>Examples made.</summary>
    public required int Accepted { get; init; }

    /// <summary>Items whose attempts are used up.</summary>
    public required int GivenUp { get; init; }

    /// <summary>Texts refused, by reason.</summary>
    public required IReadOnlyDictionary<string, long> Rejected { get; init; }

    /// <summary>The current round, from 0.</summary>
    public required int Round { get; init; }

    /// <summary>Every item is an example or given up.</summary>
    public required bool Done { get; init; }

    /// <summary>Generated tokens, those of refused texts included.</summary>
    public required long Tokens { get; init; }

    /// <summary>Seconds for which the current process has been generating.</summary>
    public required double Seconds { get; init; }

    /// <summary>Tokens of each second of these.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Seconds that are left at this pace; null before the first example.</summary>
    public required double? SecondsLeft { get; init; }

    /// <summary>Product of the shares of distinct 2-, 3- and 4-grams of words in the last 500 examples.</summary>
    public required double? Diversity { get; init; }

    /// <summary>The same of as many real examples.</summary>
    public required double? RealDiversity { get; init; }

    /// <summary>The newest examples, the newest last.</summary>
    public required IReadOnlyList<string> LastTexts { get; init; }

    /// <summary>Reads the progress of a job that may be running.</summary>
    /// <param name="folder">The job's folder.</param>
    /// <exception cref="SteerException">There is none.</exception>
    public static DatasetProgress Read(string folder)
    {
        string path = Path.Combine(folder, DatasetFolder.ProgressName);
        try
        {
            return JsonSerializer.Deserialize<DatasetProgress>(File.ReadAllBytes(path), Format) ?? throw new JsonException("It is null.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new SteerException($"{folder}: shows no progress of a dataset job. Give the folder of one.", e);
        }
    }

    /// <summary>When a job last told of its progress, in UTC.</summary>
    /// <param name="folder">The job's folder.</param>
    public static DateTime WrittenAt(string folder) => File.GetLastWriteTimeUtc(Path.Combine(folder, DatasetFolder.ProgressName));

    /// <summary>Whether a folder tells of a job that is done.</summary>
    internal static bool IsDone(string folder)
    {
        try
        {
            return Read(folder).Done;
        }
        catch (SteerException)
        {
            return false;
        }
    }

    internal byte[] Serialize() => [.. JsonSerializer.SerializeToUtf8Bytes(this, Format), (byte)'\n'];
}
