using System.Buffers;
using System.Text.Json;
using Parquet.Serialization;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Tests.Datasets;

/// <summary>Exports of lines that are written here, read back by other readers.</summary>
public sealed class DatasetExportTests : IDisposable
{
    private const int Count = 400;
    private readonly string _folder = Directory.CreateTempSubdirectory("steer-export-").FullName;
    private readonly string _job;

    public DatasetExportTests()
    {
        _job = Path.Combine(_folder, "job");
        var config = new DatasetJobConfig { Prompt = "Say \"it\":", Count = Count };
        DatasetJob.Open(config, new DatasetSources([], new Dictionary<string, string>(), "cpu", null), _job).Dispose();
        var lines = new ArrayBufferWriter<byte>();
        for (int i = 0; i < Count; i++)
            DatasetLine.Write(Example(i), tokenIds: false, lines);
        File.WriteAllBytes(Path.Combine(_job, "examples.jsonl"), lines.WrittenSpan);
        File.WriteAllText(Path.Combine(_job, "progress.json"), """
            {"count": 400, "accepted": 400, "given_up": 0, "rejected": {"loop": 2}, "round": 1, "done": true, "tokens": 1234, "seconds": 1,
             "tokens_per_second": 1, "seconds_left": 0, "diversity": null, "real_diversity": null, "last_texts": []}
            """);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Parquet_reads_back_as_it_was_written()
    {
        await ExportAsync(ExportFormat.Parquet, 0);
        var rows = (await ParquetSerializer.DeserializeUntypedAsync(File.OpenRead(Out("train.parquet")))).Data;
        Assert.Equal(Count, rows.Count);
        for (int i = 0; i < Count; i++)
        {
            var example = Example(i);
            Assert.Equal(i, rows[i]["id"]);
            Assert.Equal(example.Text, rows[i]["text"]);
            Assert.Equal(i % 2 == 0 ? "yes" : null, rows[i].TryGetValue("answer", out object? answer) ? answer : null);
            Assert.Equal(example.Seed, rows[i]["seed"]);
            Assert.Equal(example.Gamma, rows[i].TryGetValue("gamma", out object? gamma) ? gamma : null);
            Assert.Equal(example.Perplexity, rows[i]["perplexity"]);
        }
    }

    /// <summary>A folder stands where the file goes, so that only its last step fails.</summary>
    [Theory]
    [InlineData(ExportFormat.Jsonl)]
    [InlineData(ExportFormat.Parquet)]
    public async Task An_export_that_fails_leaves_no_part_of_a_file(ExportFormat format)
    {
        string name = "train." + DatasetExport.Extension(format);
        Directory.CreateDirectory(Out(name));
        await Assert.ThrowsAsync<SteerException>(() => ExportAsync(format, 0));
        Assert.Equal([Out(name)], Directory.GetFileSystemEntries(Path.GetDirectoryName(Out(name))!));
    }

    [Fact]
    public async Task An_export_to_a_file_is_refused()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");
        var refused = await Assert.ThrowsAsync<SteerException>(() => DatasetExport.RunAsync(_job, new ExportOptions { Folder = file }));
        Assert.Equal($"{file}: is a file. Give a folder; it is made where it is missing.", refused.Message);
    }

    [Fact]
    public async Task Csv_quotes_what_needs_it()
    {
        await ExportAsync(ExportFormat.Csv, 0);
        string csv = File.ReadAllText(Out("train.csv"));
        Assert.StartsWith("id,text,answer,tokens,finish_reason,seed,gamma,eta,perplexity,copied_run\n0,\"Text 0, with \"\"quotes\"\"\nand lines\",yes,2,stop,9007199254740991,,0.2,1.5,0\n", csv, StringComparison.Ordinal);
        Assert.Contains("\n1,\"Text 1, with \"\"quotes\"\"\nand lines\",,2,stop,9007199254740990,0.1,", csv, StringComparison.Ordinal);
    }

    /// <summary>Fields may have the names of columns, and the few rows of a test file may lack one: columns are told apart, and are the same in both files.</summary>
    [Theory]
    [InlineData(ExportFormat.Csv)]
    [InlineData(ExportFormat.Parquet)]
    public async Task Fields_with_names_of_columns_get_columns_of_their_own(ExportFormat format)
    {
        var lines = new ArrayBufferWriter<byte>();
        for (int i = 0; i < 40; i++)
            DatasetLine.Write(Example(i) with { Fields = i == 0 ? [new("text", "t"), new("rare", "r")] : [new("text", "t"), new("field_text", "f"), new("seed", "s")] }, tokenIds: false, lines);
        File.WriteAllBytes(Path.Combine(_job, "examples.jsonl"), lines.WrittenSpan);
        await ExportAsync(format, 0.3);
        string[] names = ["id", "text", "field_field_text", "rare", "field_text", "field_seed", "tokens", "finish_reason", "seed", "gamma", "eta", "perplexity", "copied_run"];
        foreach (string part in new[] { "train", "test" })
        {
            if (format == ExportFormat.Csv)
            {
                Assert.Equal(names, File.ReadLines(Out($"{part}.csv")).First().Split(','));
                continue;
            }

            await using var reader = await Parquet.ParquetReader.CreateAsync(Out($"{part}.parquet"));
            Assert.Equal(names, reader.Schema.Fields.Select(f => f.Name));
        }
    }

    /// <summary>400 texts at a share of 0.25: 100 are expected, with a deviation of 8.7.</summary>
    [Fact]
    public async Task The_split_is_by_the_words_and_each_example_is_on_one_side()
    {
        var (train, test, _) = await ExportAsync(ExportFormat.Alpaca, 0.25);
        Assert.Equal(Count, train + test);
        Assert.InRange(test, 70, 130);
        string[] Outputs(string name) => [.. File.ReadLines(Out(name)).Select(l => JsonDocument.Parse(l).RootElement).Select(l =>
        {
            Assert.Equal("Say \"it\":", l.GetProperty("instruction").GetString());
            return l.GetProperty("output").GetString()!;
        })];
        Assert.Equal(test, Outputs("test.jsonl").Length);
        Assert.Equal(Enumerable.Range(0, Count).Select(i => Example(i).Text).Order(), Outputs("train.jsonl").Concat(Outputs("test.jsonl")).Order());
        var before = Outputs("test.jsonl");
        await ExportAsync(ExportFormat.Alpaca, 0.5);
        Assert.Empty(before.Except(Outputs("test.jsonl")));

        // A test file that stayed would hold examples to train with.
        string kept = File.ReadAllText(Out("train.jsonl"));
        Assert.StartsWith(Out("test.jsonl"), (await Assert.ThrowsAsync<SteerException>(() => ExportAsync(ExportFormat.Alpaca, 0))).Message, StringComparison.Ordinal);
        Assert.Equal(kept, File.ReadAllText(Out("train.jsonl")));
    }

    [Fact]
    public async Task Files_of_another_layout_are_told_and_none_is_left_with_examples_to_train_with()
    {
        Assert.Empty((await ExportAsync(ExportFormat.Csv, 0.1)).Others);
        Assert.Equal([Out("train.csv"), Out("test.csv")], (await ExportAsync(ExportFormat.Parquet, 0.1)).Others);
        Assert.StartsWith(Out("test.csv"), (await Assert.ThrowsAsync<SteerException>(() => ExportAsync(ExportFormat.Jsonl, 0))).Message, StringComparison.Ordinal);
        File.Delete(Out("test.csv"));
        File.Delete(Out("test.parquet"));
        Assert.Equal([Out("train.csv"), Out("train.parquet")], (await ExportAsync(ExportFormat.Jsonl, 0)).Others);
    }

    [Fact]
    public async Task Chats_hold_the_prompt_and_the_text()
    {
        await ExportAsync(ExportFormat.Chat, 0);
        var messages = JsonDocument.Parse(File.ReadLines(Out("train.jsonl")).First()).RootElement.GetProperty("messages");
        Assert.Equal(["user", "assistant"], messages.EnumerateArray().Select(m => m.GetProperty("role").GetString()));
        Assert.Equal(Example(0).Text, messages[1].GetProperty("content").GetString());
    }

    [Fact]
    public async Task Lines_are_those_of_the_job_and_the_card_names_the_files()
    {
        await ExportAsync(ExportFormat.Jsonl, 0.1);
        var all = File.ReadLines(Out("train.jsonl")).Concat(File.ReadLines(Out("test.jsonl")));
        Assert.Equal(File.ReadLines(Path.Combine(_job, "examples.jsonl")).Order(), all.Order());
        string card = File.ReadAllText(Out("README.md"));
        Assert.StartsWith("---\nlicense: cc0-1.0\n", card, StringComparison.Ordinal);
        foreach (string part in new[] { "path: train.jsonl\n", "path: test.jsonl\n", "- n<1K\n", "| refused | loop 2 |" })
            Assert.Contains(part, card, StringComparison.Ordinal);
    }

    /// <summary>Nothing in a prompt or in the name of a label ends a block, a cell or a line of the card.</summary>
    [Fact]
    public async Task The_card_holds_any_prompt_and_any_name()
    {
        string job = Path.Combine(_folder, "labelled");
        var config = new DatasetJobConfig { Prompt = "p", Count = Count, Labels = [new("a|b", "Write ```code```:")] };
        DatasetJob.Open(config, new DatasetSources([], new Dictionary<string, string> { ["real_a: b"] = "0123" }, "cpu", null), job).Dispose();
        string examples = Path.Combine(job, "examples.jsonl"), empty = (await Assert.ThrowsAsync<SteerException>(() => DatasetExport.RunAsync(job, new ExportOptions { Folder = Out("") }))).Message;
        Assert.StartsWith($"{examples}: holds no examples", empty, StringComparison.Ordinal);
        File.Copy(Path.Combine(_job, "examples.jsonl"), examples, overwrite: true);
        await DatasetExport.RunAsync(job, new ExportOptions { Folder = Out("") });
        string card = File.ReadAllText(Out("README.md"));
        foreach (string part in new[] { "\n````text\nWrite ```code```:\n````\n", "| label a\\|b: train, test | 0, 0 |", "\n    \"real_a: b\": \"0123\"\n", "license: unknown\n" })
            Assert.Contains(part, card, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\nb: c")]
    public async Task A_licence_that_is_no_identifier_is_refused(string license) =>
        Assert.Contains("license", (await Assert.ThrowsAsync<SteerException>(() => DatasetExport.RunAsync(_job, new ExportOptions { Folder = Out(""), License = license }))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task The_folder_of_the_job_is_refused_however_it_is_written()
    {
        string folder = _job + Path.DirectorySeparatorChar;
        Assert.Contains("folder of the job", (await Assert.ThrowsAsync<SteerException>(() => DatasetExport.RunAsync(_job, new ExportOptions { Folder = folder }))).Message, StringComparison.Ordinal);
    }

    private static DatasetExample Example(int i) => new()
    {
        Id = i,
        Round = 0,
        Attempt = 0,
        Text = $"Text {i}, with \"quotes\"\nand lines",
        Fields = i % 2 == 0 ? [KeyValuePair.Create("answer", "yes")] : [],
        TokenIds = [1, 2],
        FinishReason = FinishReason.Stop,
        Seed = (1UL << 53) - 1 - (ulong)i,
        Gamma = i == 0 ? null : 0.1f * i,
        Eta = 0.2f,
        Negatives = [],
        LogProbs = [],
        Perplexity = 1.5 + i,
    };

    private Task<ExportResult> ExportAsync(ExportFormat format, double testShare) => DatasetExport.RunAsync(
        _job, new ExportOptions { Folder = Path.Combine(_folder, "out"), Format = format, TestShare = testShare, License = "cc0-1.0" });

    private string Out(string name) => Path.Combine(_folder, "out", name);
}
