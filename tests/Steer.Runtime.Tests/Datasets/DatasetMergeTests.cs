using System.Buffers;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Tests.Datasets;

/// <summary>Shards whose lines are written here, merged with things in the way.</summary>
public sealed class DatasetMergeTests : IDisposable
{
    private const int Count = 10;
    private readonly string _folder = Directory.CreateTempSubdirectory("steer-merge-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>A folder stands where the last file goes, as if the process had ended before it: those before it are written by then.</summary>
    [Fact]
    public void What_an_interruption_leaves_is_no_job_and_the_next_merge_makes_it_whole()
    {
        string[] shards = [Shard(0), Shard(1)];
        string whole = In("whole"), part = In("whole.partial"), obstacle = Path.Combine(part, DatasetFolder.ProgressName);
        Directory.CreateDirectory(obstacle);
        Assert.Throws<SteerException>(() => DatasetMerge.Run(shards, whole));
        Assert.False(Directory.Exists(whole));
        Assert.True(File.Exists(Path.Combine(part, DatasetFolder.ExamplesName)));

        Directory.Delete(obstacle);
        File.WriteAllText(Path.Combine(part, DatasetFolder.ExamplesName), "half a li");
        Directory.CreateDirectory(whole);
        Assert.Equal(Count, DatasetMerge.Run(shards, whole + Path.DirectorySeparatorChar).Accepted);
        Assert.Equal(Enumerable.Range(0, Count), ExportRow.ReadAll(Path.Combine(whole, DatasetFolder.ExamplesName)).Select(r => r.Id));
        Assert.Equal(Count, DatasetProgress.Read(whole).Accepted);
        Assert.True(File.Exists(Path.Combine(whole, DatasetFolder.ManifestName)));
        Assert.False(Directory.Exists(part));
    }

    [Fact]
    public void A_folder_that_holds_something_is_left_alone()
    {
        string[] shards = [Shard(0), Shard(1)];
        string other = Path.Combine(Directory.CreateDirectory(In("whole")).FullName, "notes.txt");
        File.WriteAllText(other, "mine");
        Assert.StartsWith($"{In("whole")}: is not empty", Assert.Throws<SteerException>(() => DatasetMerge.Run(shards, In("whole"))).Message, StringComparison.Ordinal);
        Assert.StartsWith($"{other}: is a file", Assert.Throws<SteerException>(() => DatasetMerge.Run(shards, other)).Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(other));
        Assert.False(Directory.Exists(In("whole.partial")));
    }

    private string In(string name) => Path.Combine(_folder, name);

    private string Shard(int index)
    {
        string folder = In($"part{index}");
        var config = new DatasetJobConfig { Prompt = "p", Count = Count, GrowPool = false, Shard = new DatasetShard(index, 2) };
        DatasetJob.Open(config, new DatasetSources([], new Dictionary<string, string>(), "cpu", null), folder).Dispose();
        var lines = new ArrayBufferWriter<byte>();
        for (int id = index; id < Count; id += 2)
            DatasetLine.Write(Example(id), tokenIds: false, lines);
        File.WriteAllBytes(Path.Combine(folder, DatasetFolder.ExamplesName), lines.WrittenSpan);
        File.WriteAllBytes(Path.Combine(folder, DatasetFolder.ProgressName), (DatasetProgress.Read(folder) with { Accepted = Count / 2, Done = true }).Serialize());
        return folder;
    }

    private static DatasetExample Example(int id) => new()
    {
        Id = id, Round = 0, Attempt = 0, Text = $"Number {id} is of its own.", TokenIds = [1], FinishReason = FinishReason.Stop, Seed = 0, Gamma = null, Eta = 0,
        Negatives = [], LogProbs = [], Perplexity = 1,
    };
}
