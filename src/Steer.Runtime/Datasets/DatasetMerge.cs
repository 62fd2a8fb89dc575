using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Steer.Runtime.Datasets;

/// <summary>Joins the shards of a job into one folder with the files of a job.</summary>
public static class DatasetMerge
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// Checks that the folders are all the shards of one job, joins them in the order of the items, and refuses what repeats an earlier item of
    /// another shard.
    /// </summary>
    /// <param name="shards">Their folders.</param>
    /// <param name="folder">Where the whole goes, at once when all of it is written; missing or empty before.</param>
    /// <exception cref="SteerException">Shards are missing, unfinished or of different jobs, or the folder cannot be written.</exception>
    public static DatasetProgress Run(IReadOnlyList<string> shards, string folder)
    {
        var (manifest, config) = Check(shards);
        var parts = shards.Select(DatasetProgress.Read).ToList();
        if (parts.FindIndex(p => !p.Done) is var open and >= 0)
            throw new SteerException($"{shards[open]}: is not complete. Run its command again first.");

        var rejected = Lines(shards, DatasetFolder.RejectedName);
        var examples = new List<(DatasetLine Line, string Json)>();
        var seen = new DuplicateIndex(config.Quality.NearDuplicate);
        var reasons = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var (reason, count) in parts.SelectMany(p => p.Rejected))
            reasons[reason] = reasons.GetValueOrDefault(reason) + count;
        int repeated = 0;
        foreach (var example in Lines(shards, DatasetFolder.ExamplesName).OrderBy(l => l.Line.Id))
        {
            var fingerprint = DuplicateIndex.Describe(TextWords.Of(example.Line.Text));
            var (index, exact) = seen.Find(fingerprint);
            if (index < 0)
            {
                seen.Add(fingerprint);
                examples.Add(example);
                continue;
            }

            string reason = exact ? Reasons.Duplicate : Reasons.NearDuplicate;
            reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
            rejected.Add((example.Line with { Reason = reason }, Refuse(example.Json, reason, $"item:{examples[index].Line.Id}")));
            repeated++;
        }

        manifest["merged_from"] = shards.Count;
        manifest[DatasetManifest.CommandName] = Command(shards);
        var progress = parts[0] with
        {
            Count = config.Count,
            Accepted = examples.Count,
            GivenUp = parts.Sum(p => p.GivenUp) + repeated,
            Rejected = reasons,
            Round = parts.Max(p => p.Round),
            Tokens = parts.Sum(p => p.Tokens),
            Seconds = parts.Sum(p => p.Seconds),
            TokensPerSecond = parts.Sum(p => p.TokensPerSecond),
            Diversity = null,
            RealDiversity = null,
            LastTexts = [.. examples.TakeLast(3).Select(e => e.Line.Text)],
        };
        JobFolder.Create(
            folder, manifest,
            (DatasetFolder.ExamplesName, Join(examples)),
            (DatasetFolder.RejectedName, Join(rejected.OrderBy(l => l.Line.Id).ThenBy(l => l.Line.Attempt))),
            (DatasetFolder.ProgressName, progress.Serialize()));
        return progress;
    }

    /// <summary>The manifest without its shard, the same in all folders; each shard is there once.</summary>
    private static (JsonObject Manifest, DatasetJobConfig Config) Check(IReadOnlyList<string> shards)
    {
        JsonObject? first = null;
        DatasetJobConfig? config = null;
        var found = new SortedSet<int>();
        foreach (string folder in shards)
        {
            string path = Path.Combine(folder, DatasetFolder.ManifestName);
            if (!File.Exists(path))
                throw new SteerException($"{folder}: holds no job. Give the folders of all shards.");
            var manifest = DatasetManifest.Read(path);
            config = DatasetManifest.Config(manifest, path);
            if (config.Shard is not { } shard)
                throw new SteerException($"{folder}: is no shard of a job. Give folders that were made with --shard.");
            if (shard.Count != shards.Count || !found.Add(shard.Index))
            {
                throw new SteerException(
                    $"{folder}: is shard {shard}, and {shards.Count} folders are given. Give each of the {shard.Count} shards once.");
            }

            manifest["config"]!["shard"] = null;
            var differences = DatasetManifest.Differences(first ??= manifest, manifest);
            if (differences.Count > 0)
                throw new SteerException($"{folder}: is of another job than {shards[0]}; what differs: {string.Join("; ", differences)}.");
        }

        return (first!, config!);
    }

    /// <summary>The commands of all shards; none where one of them has none.</summary>
    private static string? Command(IReadOnlyList<string> shards)
    {
        var commands = shards
            .Select(s => DatasetManifest.Read(Path.Combine(s, DatasetFolder.ManifestName))[DatasetManifest.CommandName]?.GetValue<string>()).ToList();
        return commands.Contains(null) ? null : string.Join('\n', commands);
    }

    private static List<(DatasetLine Line, string Json)> Lines(IReadOnlyList<string> shards, string name)
    {
        var lines = new List<(DatasetLine, string)>();
        foreach (string shard in shards)
        {
            using var file = new LineFile(Path.Combine(shard, name));
            while (file.Next())
            {
                var line = DatasetLine.Parse(file.Line)
                    ?? throw new SteerException($"{file.Path}, line {file.Number}: is no line of a job. Restore it.");
                lines.Add((line, Encoding.UTF8.GetString(file.Line)));
            }
        }

        return lines;
    }

    /// <summary>The line with its reason, where the lines of refused texts have theirs.</summary>
    private static string Refuse(string line, string reason, string of)
    {
        var refused = JsonNode.Parse(line)!.AsObject();
        int place = refused.IndexOf("attempt") + 1;
        refused.Insert(place, "reason", reason);
        refused.Insert(place + 1, "of", of);
        return refused.ToJsonString(Json);
    }

    private static byte[] Join(IEnumerable<(DatasetLine Line, string Json)> lines) =>
        Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => l.Json + "\n")));
}
