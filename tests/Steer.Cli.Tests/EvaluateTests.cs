using System.Text.Json;
using Steer.Cli.Display;
using Steer.Runtime.Datasets;
using Steer.Runtime.Evaluation;

namespace Steer.Cli.Tests;

/// <summary>steer evaluate: layouts, where texts, labels and embeddings come from, and what is refused.</summary>
public sealed class EvaluateTests : IDisposable
{
    private static readonly string Heldout = Path.Combine(Cli.Weights, "tasks", "commonsense", "heldout.jsonl");
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_job_is_evaluated_with_embeddings_and_perplexity_of_the_tasks_models()
    {
        string job = _folder["job"], real = Lines("real.jsonl", Heldout, 0, 52);
        Directory.CreateDirectory(job);
        Lines(Path.Combine("job", "examples.jsonl"), Heldout, 60, 50);
        string[] line = ["evaluate", job, "--task", "commonsense", "--real", real, "--label-field", "answer", "--half-samples", "4", "--bootstrap", "100", "-q"];
        var json = Report((await Cli.SucceedAsync([.. line, "--format", "json"])).Output);
        Assert.Equal((50, 52, 50, 25), (json.GetProperty("synthetic").GetProperty("texts").GetInt32(), json.GetProperty("real").GetProperty("texts").GetInt32(),
            json.GetProperty("compared").GetInt32(), json.GetProperty("half").GetInt32()));
        var metrics = json.GetProperty("metrics").EnumerateArray().ToDictionary(m => m.GetProperty("name").GetString()!);
        Assert.All(metrics.Values, m => Assert.Equal(JsonValueKind.Number, m.GetProperty("value").ValueKind));

        // Both are real texts: the expert knows them better than the base.
        Assert.True(metrics["perplexity_expert"].GetProperty("value").GetDouble() < metrics["perplexity_base"].GetProperty("value").GetDouble());
        Assert.Equal(5, json.GetProperty("downstream").GetProperty("classes").GetArrayLength());

        // Embeddings are kept beside both files, and read from there.
        string[] kept = [.. Directory.GetFiles(job, "*.embeddings.safetensors"), .. Directory.GetFiles(_folder["."], "real.jsonl.*.embeddings.safetensors")];
        Assert.Equal(2, kept.Length);
        var written = kept.Select(File.GetLastWriteTimeUtc).ToList();
        var again = Report((await Cli.SucceedAsync([.. line, "--format", "json", "--metrics", "cosine"])).Output).GetProperty("metrics").EnumerateArray();
        Assert.All(again, m => Assert.Equal(metrics[m.GetProperty("name").GetString()!].GetRawText(), m.GetRawText()));
        Assert.Equal(written, kept.Select(File.GetLastWriteTimeUtc));
    }

    [Fact]
    public async Task Every_layout_has_every_metric()
    {
        string synthetic = Lines("synthetic.txt", Heldout, 0, 60), real = Lines("real.jsonl", Heldout, 60, 70);
        string[] line = ["evaluate", synthetic, "--real", real, "--metrics", "n_grams,self_bleu,copied,lengths", "--half-samples", "3"];
        string table = (await Cli.SucceedAsync(line)).Output;
        Assert.Contains("self-BLEU-4", table, StringComparison.Ordinal);
        string csv = (await Cli.SucceedAsync([.. line, "--format", "csv"])).Output;
        Assert.Equal("name,group,value,low,high,ceiling,at_ceiling,better,note", CliResult.Lines(csv)[0]);
        Assert.Equal(1 + 9 + 4 + 3 + 2, CliResult.Lines(csv).Length);
        Assert.All(CliResult.Lines(csv), l => Assert.Equal(9, l.Split(',').Length));
        string file = _folder["report.md"];
        Assert.Empty((await Cli.SucceedAsync([.. line, "--out", file])).Output);
        Assert.Contains("| self-BLEU-4 | ", await File.ReadAllTextAsync(file), StringComparison.Ordinal);
        string page = _folder["report.html"];
        Assert.Empty((await Cli.SucceedAsync([.. line, "--out", page])).Output);
        Assert.Contains("<td class=\"name\">self-BLEU-4</td>", await File.ReadAllTextAsync(page), StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllTextAsync(page), (await Cli.SucceedAsync([.. line, "--format", "html"])).Output);
    }

    [Fact]
    public async Task A_task_without_held_out_texts_and_a_name_of_no_layout_are_refused()
    {
        string synthetic = Lines("synthetic.txt", Heldout, 0, 60), task = _folder.Write("task.json", """{"prompt": "Say it."}""");
        string refusal = await Cli.RefuseAsync("evaluate", synthetic, "--task", task);
        Assert.StartsWith($"steer: {task}: names no held-out texts", refusal, StringComparison.Ordinal);
        string[] line = ["evaluate", synthetic, "--real", Heldout, "--metrics", "lengths", "--half-samples", "3", "-q", "--out"];
        string pdf = _folder["report.pdf"];
        Assert.StartsWith($"steer: {pdf}: no report is written as .pdf.", await Cli.RefuseAsync([.. line, pdf]), StringComparison.Ordinal);
        Assert.False(File.Exists(pdf));
        await Cli.SucceedAsync([.. line, _folder["report.TXT"]]);
        await Cli.SucceedAsync([.. line, _folder["report.log"], "--format", "table"]);
        Assert.Equal(await File.ReadAllTextAsync(_folder["report.TXT"]), await File.ReadAllTextAsync(_folder["report.log"]));
    }

    [Fact]
    public void A_table_fits_its_window()
    {
        using var evaluator = new Evaluator(new EvaluationOptions { Bootstrap = 100, HalfSamples = 3 });
        var texts = TextFile.Read(Heldout);
        EvaluationSet Set(string name, int skip) => new() { Name = name, Texts = [.. texts.Skip(skip).Take(60)], Labels = [.. Enumerable.Range(0, 60).Select(i => $"{i % 3}")] };
        var report = evaluator.Evaluate(Set("a", 0), Set("b", 60));
        foreach (int window in new[] { 40, 60, 80, 120 })
        {
            string table = EvaluationTable.Draw(report, window);
            Assert.All(CliResult.Lines(table), l => Assert.True(l.Length <= window, $"{window}: {l}"));
            Assert.DoesNotContain("NaN", table, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_cannot_be_evaluated_is_refused()
    {
        string real = Lines("real.jsonl", Heldout, 0, 60), few = Lines("few.jsonl", Heldout, 0, 49), plain = Lines("plain.txt", Heldout, 0, 60);
        await Refused("few.jsonl: has 49 texts", few, "--real", real);
        await Refused("give --real FILE", real);
        await Refused("plain.txt: no line has a label in a field \"answer\"", plain, "--real", real, "--label-field", "answer");
        await Refused("real.jsonl: no line has a label in a field \"colour\"", real, "--real", real, "--label-field", "colour");
        await Refused("60 texts and 220 embeddings", real, "--real", real, "--embeddings", Path.Combine(Cli.RuntimeGoldens, "metrics", "embeddings_near.safetensors"));
        await Refused("60 texts and 220 embeddings", real, "--real", real, "--max-texts", "50", "--embeddings", Path.Combine(Cli.RuntimeGoldens, "metrics", "embeddings_near.safetensors"));
        await Refused("none.safetensors", real, "--real", real, "--embeddings", _folder["none.safetensors"]);
        await Refused("give two .npy files", real, "--real", real, "--embeddings", _folder["one.npy"]);
        await Refused("--metrics is 'mauv'", real, "--real", real, "--metrics", "mauv");
        await Refused("max-texts is 10", real, "--real", real, "--max-texts", "10");
        await Refused("max-dimensions is 1", real, "--real", real, "--max-dimensions", "1");
        await Refused("half-samples is 1", real, "--real", real, "--half-samples", "1");
        await Refused("holds no examples.jsonl", _folder["."], "--real", real);
        await Refused("text 2 is empty", _folder.Write("empty.jsonl", "{\"text\": \"a\"}\n" + string.Concat(Enumerable.Repeat("{\"text\": \" \"}\n", 60))), "--real", real);
        await Refused("missing.txt", _folder["missing.txt"], "--real", real);

        async Task Refused(string says, params string[] args) =>
            Assert.Contains(says, await Cli.RefuseAsync(["evaluate", .. args]), StringComparison.Ordinal);
    }

    private static JsonElement Report(string output) => JsonDocument.Parse(output).RootElement;

    /// <summary>Some lines of a JSONL file in a file of their own; texts alone where its name ends in .txt.</summary>
    private string Lines(string name, string file, int skip, int take)
    {
        var lines = File.ReadLines(file).Skip(skip).Take(take);
        if (name.EndsWith(".txt", StringComparison.Ordinal))
            lines = lines.Select(l => JsonDocument.Parse(l).RootElement.GetProperty("question").GetString()!);
        return _folder.Write(name, string.Join('\n', lines));
    }
}
