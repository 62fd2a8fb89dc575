using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace Steer.Cli.Tests;

/// <summary>What a user can get wrong: one line that names it and says what to do, exit code 2. <see cref="Cli.RefuseAsync"/> holds that.</summary>
public sealed class BadInputTests : IDisposable
{
    private static readonly string Base = Path.Combine(Cli.Weights, "base");
    private static readonly string Astronomy = Path.Combine(Cli.Weights, "experts", "astronomy");
    private static readonly string GitLfsPointer = $"version https://git-lfs.github.com/spec/v1\noid sha256:{new string('a', 64)}\nsize 10951168\n";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("--gama: no such option. Did you mean --gamma?", "generate", "--gama", "0.3")]
    [InlineData("--chat: no such option. The task says it: give --task a file with \"chat\". See", "dataset", "--task", "astronomy", "--chat")]
    [InlineData("--system=a: no such option. The task says it: give --task a file with \"system\".", "sweep", "--system=a")]
    [InlineData("--chat: no such option. See", "devices", "--chat")]
    [InlineData("gnerate: no such command. Did you mean generate?", "gnerate")]
    [InlineData("Give text to continue with --prompt", "generate", "Once upon a time")]
    [InlineData("--gamma needs a value", "generate", "--task", "astronomy", "--gamma")]
    [InlineData("--gamma is 'abc': give a number", "generate", "--task", "astronomy", "--gamma", "abc")]
    [InlineData("gamma is NaN", "generate", "--task", "astronomy", "--gamma", "nan")]
    [InlineData("eta is -0.5", "generate", "--task", "astronomy", "--eta", "-0.5")]
    [InlineData("--eta has no effect with preset plain", "generate", "--task", "astronomy", "--preset", "plain", "--eta", "0.2")]
    [InlineData("--sum-to-one has no effect with preset cfg", "generate", "--task", "astronomy", "--preset", "cfg", "--sum-to-one")]
    [InlineData("give --preset contrastive or contrastive-beta", "generate", "--task", "astronomy", "--amateur-temperature", "2")]
    [InlineData("--gamma is given 2 times", "generate", "--task", "astronomy", "--gamma", "1", "--gamma", "2")]
    [InlineData("top-p is 3", "generate", "--task", "astronomy", "--top-p", "3")]
    [InlineData("--preset is 'stear'", "generate", "--task", "astronomy", "--preset", "stear")]
    [InlineData("--memory is 'much'", "generate", "--task", "astronomy", "--memory", "much")]
    [InlineData("--prompt-ids is '1,x'", "generate", "--prompt-ids", "1,x")]
    [InlineData("token 99999", "generate", "--prompt-ids", "99999")]
    [InlineData("astro: no such task. Did you mean astronomy?", "generate", "--task", "astro")]
    [InlineData("the prompt is empty", "generate", "--prompt", "")]
    [InlineData("nothing to continue", "generate")]
    [InlineData("no text to score", "score")]
    [InlineData("There is no text", "tokenize")]
    [InlineData("There is no device 'tpu'", "generate", "--prompt", "x", "--device", "tpu")]
    [InlineData("give --anti-expert PATH", "generate", "--task", "astronomy", "--preset", "dexperts")]
    [InlineData("both", "generate", "--prompt", "x", "--prompt-ids", "1")]
    [InlineData("--gama: no such option. Did you mean --gamma?", "score", "text", "--gama", "0.3")]
    [InlineData("--n is '99999999999': give a whole number of at most 2147483647", "generate", "--task", "astronomy", "-n", "99999999999")]
    [InlineData("give one of them", "score", "text", "--eos", "--no-eos")]
    [InlineData("Both texts and --ids-file are given", "score", "text", "--ids-file", "ids.json")]
    [InlineData("Both texts and --ids are given", "tokenize", "text", "--ids", "1,2")]
    [InlineData("Both a and --base are given", "inspect", "a", "--base", "b")]
    [InlineData("--shape makes models of its own", "bench", "--shape", "134M", "--base", "b")]
    [InlineData("--arch is that of PTX", "kernels", "--emit", "opencl", "--arch", "sm_80", "out")]
    [InlineData("--ids holds 4096, and the tokenizer's ids go from 0 to 4095", "tokenize", "--ids", "7,4096")]
    public async Task Flags(string says, params string[] args) =>
        Assert.Contains(says, await Cli.RefuseAsync(args), StringComparison.OrdinalIgnoreCase);

    /// <summary>What a shell leaves of an unset variable in quotation marks.</summary>
    [Theory]
    [InlineData("--context", "generate", "--prompt", "x", "--context", "")]
    [InlineData("--negatives", "generate", "--prompt", "x", "--negatives", "")]
    [InlineData("--prompt-file", "generate", "--prompt-file", "")]
    [InlineData("--output", "generate", "--prompt", "x", "-o", "")]
    [InlineData("--base", "generate", "--prompt", "x", "--base", "")]
    [InlineData("--task", "generate", "--task", "")]
    [InlineData("--out", "dataset", "--task", "astronomy", "--count", "2", "--out", "")]
    [InlineData("JOB", "dataset", "")]
    [InlineData("DIR", "dataset", "export", "", "--format", "csv", "--out", "x")]
    [InlineData("--out", "dataset", "export", "x", "--format", "csv", "--out", "")]
    [InlineData("DIR", "dataset", "merge", "x", "", "--out", "x")]
    [InlineData("DIR", "dataset", "watch", "")]
    [InlineData("SET", "evaluate", "")]
    [InlineData("--real", "evaluate", "x", "--real", "")]
    [InlineData("--out", "sweep", "--task", "astronomy", "--out", "")]
    [InlineData("--file", "score", "--file", "")]
    [InlineData("--file", "tokenize", "--file", "")]
    [InlineData("PATH", "inspect", "")]
    [InlineData("DIR", "kernels", "")]
    [InlineData("--out", "bench", "synth", "--out", "")]
    public async Task Empty_paths(string name, params string[] args) =>
        Assert.StartsWith($"steer: {name} is empty: give a path.", await Cli.RefuseAsync(args), StringComparison.Ordinal);

    [Theory]
    [InlineData("--base")]
    [InlineData("--expert")]
    [InlineData("--tokenizer")]
    [InlineData("--prompt-file")]
    [InlineData("--negatives")]
    [InlineData("--context")]
    [InlineData("--task")]
    public async Task Missing_files(string flag)
    {
        string[] prompt = flag == "--prompt-file" ? [] : ["--prompt", "x"];
        Assert.Contains(_folder["none.txt"], await Cli.RefuseAsync(["generate", .. prompt, flag, _folder["none.txt"]]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unwritable_outputs()
    {
        string inside = Path.Combine(_folder["none"], "out.jsonl");
        Assert.Contains(inside, await Cli.RefuseAsync("generate", "--prompt", "x", "--output", inside), StringComparison.Ordinal);
        string ids = _folder.Write("ids.json", "[[1, 2]]");
        Assert.Contains($"{ids}: is a file. Give a folder", await Cli.RefuseAsync("kernels", ids), StringComparison.Ordinal);
        Assert.Contains(inside, await Cli.RefuseAsync("score", "--ids-file", ids, "--logits", inside, "-q"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Prompts_that_do_not_fit()
    {
        string file = _folder.Write("prompts.jsonl", $"{{\"prompt\": \"short\"}}\n{{\"prompt\": \"{string.Concat(Enumerable.Repeat("very long ", 400))}\"}}\n");
        string line = await Cli.RefuseAsync("generate", "--prompt-file", file);
        Assert.Contains($"{file}, prompt 2", line, StringComparison.Ordinal);
        Assert.Contains("512", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Scored_texts_that_do_not_fit()
    {
        string file = _folder.Write("texts.txt", $"short\n{string.Concat(Enumerable.Repeat("very long ", 400))}\n");
        Assert.Contains($"{file}, text 2: has ", await Cli.RefuseAsync("score", "--file", file), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("prompts.jsonl", "{\"prompt\": \"a\"}\nnonsense\n", "line 2")]
    [InlineData("prompts.json", "[{\"prompt\": \"a\"},\n {\"prompt\": \"b\"}]\n", "line 1: is no JSON. Give one JSON object per line")]
    [InlineData("prompts.jsonl", "{\"title\": \"a\"}\n", "\"prompt\" or \"text\"")]
    [InlineData("prompts.jsonl", "{\"prompt\": \"\"}\n", "prompt 1: the prompt is empty")]
    [InlineData("prompts.txt", "\n\n", "holds no text")]
    public async Task Prompt_files(string name, string content, string says)
    {
        string line = await Cli.RefuseAsync("generate", "--prompt-file", _folder.Write(name, content));
        Assert.Contains(_folder[name], line, StringComparison.Ordinal);
        Assert.Contains(says, line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_context_without_a_text()
    {
        string file = _folder.Write("context.txt", "\n");
        Assert.Contains($"{file}: holds no text", await Cli.RefuseAsync("generate", "--prompt", "x", "--context", file), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("score")]
    [InlineData("tokenize")]
    public async Task Files_without_a_text(string command)
    {
        string file = _folder.Write("texts.txt", "\n\n");
        Assert.Contains($"{file}: holds no text", await Cli.RefuseAsync(command, "--file", file), StringComparison.Ordinal);
        Assert.Contains($"{file}: holds no text", await Cli.RefuseAsync(command, file), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("generate", "--eta", "0.2", "--negatives")]
    [InlineData("dataset", "--count", "1", "--out", "job", "--real")]
    [InlineData("sweep", "--out", "job", "--real")]
    [InlineData("sweep", "--out", "job", "--heldout")]
    [InlineData("evaluate")]
    public async Task Sets_without_a_text(string command, params string[] flags)
    {
        string file = _folder.Write("real.jsonl", "\n");
        string line = await Cli.RefuseAsync([command, "--task", "astronomy", .. flags.Select(f => f == "job" ? _folder["job"] : f), file]);
        Assert.Contains($"{file}: holds no text", line, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["job"]));
    }

    [Theory]
    [InlineData("--pattern: is no regular expression (", "--pattern", "(")]
    [InlineData("--pattern: cannot be matched in linear time", "--pattern", "a(?=b)")]
    [InlineData("schema.json: is no JSON (", "--schema", "{")]
    [InlineData("schema.json: is no JSON schema (", "--schema", "{\"type\": \"nothing\"}")]
    [InlineData("task.json: pattern: is no regular expression (", "task", "{\"prompt\": \"a\", \"pattern\": \"(\"}")]
    [InlineData("task.json: schema: is no JSON schema (", "task", "{\"prompt\": \"a\", \"schema\": {\"type\": \"nothing\"}}")]
    public async Task Rules_that_cannot_be_kept(string says, string kind, string content)
    {
        string task = _folder.Write("task.json", kind == "task" ? content : "{\"prompt\": \"a\"}");
        string[] rule = kind switch { "task" => [], "--schema" => [kind, _folder.Write("schema.json", content)], _ => [kind, content] };
        Assert.Contains(says, await Cli.RefuseAsync(["dataset", "--task", task, "--count", "1", "--out", _folder["job"], .. rule]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--gamma")]
    [InlineData("--eta")]
    public async Task A_strength_and_its_sweep(string flag) => Assert.Contains(
        $"Both {flag} and {flag}-sweep are given",
        await Cli.RefuseAsync("dataset", "--task", "astronomy", "--count", "1", "--out", _folder["job"], flag, "0.3", flag + "-sweep", "0,0.3"),
        StringComparison.Ordinal);

    [Theory]
    [InlineData("--prompt-tokens 600 and --max-tokens 128 do not fit the model's window of 512 tokens", "--prompt-tokens", "600")]
    [InlineData("--negative-tokens 400 and --max-tokens 128", "--negative-tokens", "400", "--eta", "0.2")]
    [InlineData("--rank 0 is that of a random adapter: give --shape too", "--rank", "0")]
    public async Task Measurements_that_cannot_be(string says, params string[] flags) =>
        Assert.Contains(says, await Cli.RefuseAsync(["bench", "--task", "astronomy", "--batch", "1", .. flags]), StringComparison.Ordinal);

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    public async Task Pointers_of_git_lfs_in_a_model(string name)
    {
        string model = _folder.Copy(Base, "model");
        await File.WriteAllTextAsync(Path.Combine(model, name), GitLfsPointer);
        Assert.Contains($"{Path.Combine(model, name)}: is a Git LFS pointer", await Cli.RefuseAsync("generate", "--prompt", "x", "--base", model), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("task.json", "generate", "--task")]
    [InlineData("prompts.txt", "generate", "--prompt-file")]
    [InlineData("negatives.jsonl", "generate", "--prompt", "x", "--eta", "0.2", "--negatives")]
    [InlineData("context.txt", "generate", "--prompt", "x", "--context")]
    [InlineData("ids.json", "score", "--ids-file")]
    [InlineData("job.json", "dataset")]
    [InlineData("cells.json", "sweep", "--task", "astronomy", "--cells")]
    [InlineData("real.npy", "evaluate", "--task", "astronomy", "texts.txt", "--embeddings")]
    public async Task Pointers_of_git_lfs(string name, params string[] args)
    {
        string file = _folder.Write(name, GitLfsPointer), texts = _folder.Write("texts.txt", "a\n");
        string given = name.EndsWith(".npy", StringComparison.Ordinal) ? $"{file},{file}" : file;
        string line = await Cli.RefuseAsync([.. args.Select(a => a == "texts.txt" ? texts : a), given]);
        Assert.Contains($"{file}: is a Git LFS pointer in place of the file itself; run git lfs pull", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Folders_that_are_no_expert()
    {
        string line = await Cli.RefuseAsync("generate", "--prompt", "x", "--base", Base, "--expert", Cli.Weights);
        Assert.Contains($"{Cli.Weights}: holds neither config.json", line, StringComparison.Ordinal);
        Assert.Contains("adapter_config.json", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_of_a_missing_file_is_a_text_only_where_it_is_piped_in()
    {
        string name = _folder["none.txt"];
        Assert.StartsWith($"steer: {name}: there is no such file.", await Cli.RefuseAsync("tokenize", name), StringComparison.Ordinal);
        Assert.Contains("missing.jsonl: there is no such file", await Cli.RefuseAsync("score", "A text.", "missing.jsonl"), StringComparison.Ordinal);
        Assert.Contains($"decoded  {name}\n", (await Cli.RunAsync(CliInput.Text(name), "tokenize")).Output, StringComparison.Ordinal);
        Assert.Empty((await Cli.SucceedAsync("tokenize", "It is in a.txt")).Error);
    }

    [Fact]
    public async Task Text_that_is_no_utf8()
    {
        await File.WriteAllBytesAsync(_folder["latin1.txt"], [(byte)'a', 0xE9, (byte)'b']);
        Assert.Contains("UTF-8", await Cli.RefuseAsync("generate", "--prompt-file", _folder["latin1.txt"]), StringComparison.Ordinal);
        var piped = await Cli.RunAsync(new CliInput { Bytes = [(byte)'a', 0xC3, (byte)'b'] }, "tokenize", "-");
        Assert.Equal(ExitCode.User, piped.Code);
    }

    [Theory]
    [InlineData("{\"prompt\": 3}")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[[[[")]
    [InlineData("{\"prompt\": \"\"}")]
    [InlineData("{\"prompt\": \"a\", \"gama\": 0.3}")]
    [InlineData("{\"prompt\": \"a\", \"labels\": [{\"name\": \"b\", \"prompt\": \"c\", \"shares\": 2}]}")]
    public async Task Task_files(string content)
    {
        string file = _folder.Write("task.json", content);
        string line = await Cli.RefuseAsync("generate", "--task", file);
        Assert.Contains(file, line, StringComparison.Ordinal);
        Assert.Equal(line, await Cli.RefuseAsync("dataset", "--task", file, "--count", "1", "--out", _folder["job"]));
    }

    /// <summary>Members that are wrong are told what they have to be; those that would count for nothing are refused.</summary>
    [Theory]
    [InlineData("line 2: \"chat\" must be true or false", "\"chat\": \"yes\"")]
    [InlineData("\"chat\" must be true or false", "\"chat\": null")]
    [InlineData("\"system\" must be a text", "\"chat\": true, \"system\": 5")]
    [InlineData("\"max_tokens\" must be a whole number", "\"max_tokens\": 1.5")]
    [InlineData("\"gamma\" must be a number", "\"gamma\": \"x\"")]
    [InlineData("\"stop\" must be a list of texts", "\"stop\": \"x\"")]
    [InlineData("a stop text is empty", "\"stop\": [null]")]
    [InlineData("\"labels\" must be a list of objects", "\"labels\": \"x\"")]
    [InlineData("\"labels[0].share\" must be a number", "\"labels\": [{\"name\": \"a\", \"prompt\": \"b\", \"share\": \"x\"}]")]
    [InlineData("is no JSON", "\"chat\" true")]
    [InlineData("\"top_p\" is no member of a task. Leave it out, and give --top-p", "\"top_p\": 0.5")]
    [InlineData("\"temperature\" is no member of a label", "\"labels\": [{\"name\": \"a\", \"prompt\": \"b\", \"temperature\": 1}]")]
    [InlineData("\"gamma\" of label a is a member of the task", "\"labels\": [{\"name\": \"a\", \"prompt\": \"b\", \"gamma\": 1}]")]
    public async Task Members_of_task_files(string says, string members)
    {
        string file = _folder.Write("task.json", $"{{\"prompt\": \"a\",\n{members}}}");
        string line = await Cli.RefuseAsync("generate", "--task", file);
        Assert.StartsWith($"steer: {file}", line, StringComparison.Ordinal);
        Assert.Contains(says, line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Members_of_a_task_for_readers_count_for_nothing()
    {
        string file = _folder.Write("task.json", "{\"prompt\": \"a\", \"licence\": \"MIT\", \"source\": {\"year\": 2026}}");
        await Cli.SucceedAsync("generate", "--task", file, "--max-tokens", "1", "-q");
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("[[1, 2], []]")]
    [InlineData("[[1, 99999999999]]")]
    [InlineData("[[1, -1]]")]
    [InlineData("[[1], [2, 4096]]")]
    public async Task Ids_files(string content)
    {
        string file = _folder.Write("ids.json", content);
        Assert.Contains(file, await Cli.RefuseAsync("score", "--ids-file", file), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("long")]
    public async Task Texts_that_cannot_be_scored(string text)
    {
        string[] texts = ["The sky.", text.Length == 0 ? "" : string.Concat(Enumerable.Repeat("very long ", 400))];
        Assert.Contains("text 2", await Cli.RefuseAsync(["score", .. texts]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("truncated")]
    [InlineData("header longer than the file")]
    [InlineData("tensor beyond the end")]
    [InlineData("overlapping tensors")]
    [InlineData("no JSON")]
    [InlineData("integers for weights")]
    [InlineData("not a number")]
    public async Task Damaged_weights(string damage)
    {
        string model = _folder.Copy(Base, "model"), file = Path.Combine(model, "model.safetensors");
        byte[] bytes = await File.ReadAllBytesAsync(file);
        await File.WriteAllBytesAsync(file, Damage(damage, bytes));
        Assert.Contains(model, await Cli.RefuseAsync("generate", "--prompt", "x", "--base", model), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hidden_size", "320")]
    [InlineData("num_hidden_layers", "7")]
    [InlineData("architectures", "[\"NoSuchForCausalLM\"]")]
    [InlineData("vocab_size", "-1")]
    public async Task Configurations_that_do_not_fit(string field, string value)
    {
        string model = _folder.Copy(Base, "model"), file = Path.Combine(model, "config.json");
        var config = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        config[field] = JsonNode.Parse(value);
        await File.WriteAllTextAsync(file, config.ToJsonString());
        Assert.Contains(model, await Cli.RefuseAsync("generate", "--prompt", "x", "--base", model), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Adapters_of_another_base()
    {
        string falcon = Path.Combine(Cli.RuntimeGoldens, "adapters", "falcon-paper-targets");
        Assert.Contains(falcon, await Cli.RefuseAsync("generate", "--prompt", "x", "--base", Base, "--expert", falcon), StringComparison.Ordinal);
        Assert.Contains("--expert", (await Cli.RefuseAsync("generate", "--prompt", "x", "--base", Astronomy)).Replace("the expert", "--expert", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tokenizers_that_differ()
    {
        string expert = _folder.Copy(Path.Combine(Cli.Weights, "experts", "astronomy-full"), "expert"), file = Path.Combine(expert, "tokenizer.json");
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("\"Ġthe\"", "\"Ġxyz\"", StringComparison.Ordinal).Replace("\"\\u0120the\"", "\"Ġxyz\"", StringComparison.Ordinal));
        string line = await Cli.RefuseAsync("generate", "--prompt", "x", "--base", Base, "--expert", expert);
        Assert.Contains(expert, line, StringComparison.Ordinal);
        Assert.Contains("token", line, StringComparison.Ordinal);
    }

    private static byte[] Damage(string damage, byte[] bytes)
    {
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var header = JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject();
        header.Remove("__metadata__");

        // Two tensors of one shape, so that only their places tell them apart.
        var twins = header.GroupBy(t => t.Value!["shape"]!.ToJsonString()).First(g => g.Count() > 1).Select(t => t.Key).ToList();
        string name = twins[0];
        switch (damage)
        {
            case "truncated":
                return bytes[..(bytes.Length / 2)];
            case "header longer than the file":
                BinaryPrimitives.WriteInt64LittleEndian(bytes, long.MaxValue);
                return bytes;
            case "tensor beyond the end":
                long begin = header[name]!["data_offsets"]![0]!.GetValue<long>();
                header[name]!["data_offsets"] = new JsonArray(begin + bytes.Length, header[name]!["data_offsets"]![1]!.GetValue<long>() + bytes.Length);
                break;
            case "overlapping tensors":
                header[twins[1]]!["data_offsets"] = header[name]!["data_offsets"]!.DeepClone();
                break;
            case "no JSON":
                Array.Fill(bytes, (byte)'{', 8, length);
                return bytes;
            case "integers for weights":
                header[name]!["dtype"] = "I16";
                break;
            case "not a number":
                BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(bytes.Length - 2), 0x7FC0);
                return bytes;
        }

        byte[] changed = Encoding.UTF8.GetBytes(header.ToJsonString());
        byte[] result = new byte[8 + changed.Length + bytes.Length - 8 - length];
        BinaryPrimitives.WriteInt64LittleEndian(result, changed.Length);
        changed.CopyTo(result, 8);
        bytes.AsSpan(8 + length).CopyTo(result.AsSpan(8 + changed.Length));
        return result;
    }
}
