using System.Text.Json;

namespace Steer.Cli.Tests;

/// <summary>--chat on the embedded pair, whose tokenizer gets a chat template in a folder beside it.</summary>
public sealed class ChatTests : IDisposable
{
    private const string Template =
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

    private static readonly string Base = Path.Combine(Cli.Weights, "base");
    private static readonly string Astronomy = Path.Combine(Cli.Weights, "experts", "astronomy");
    private readonly TemporaryFolder _folder = new();
    private readonly string _tokenizer;

    public ChatTests() => _tokenizer = TokenizerWith(Template);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Tokenize_shows_what_the_model_reads_with_one_token_at_its_beginning()
    {
        // A tokenizer that puts its own BOS before every text: the template's must stay the only one.
        string json = File.ReadAllText(Path.Combine(_tokenizer, "tokenizer.json"));
        using var parsed = JsonDocument.Parse(json);
        var members = parsed.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
        members["post_processor"] = JsonDocument.Parse(
            """
            {"type": "TemplateProcessing", "pair": [],
             "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}}
            """).RootElement;
        File.WriteAllText(Path.Combine(_tokenizer, "tokenizer.json"), JsonSerializer.Serialize(members));
        var plain = Assert.Single((await Cli.SucceedAsync("tokenize", "--tokenizer", _tokenizer, "--special", "--json", "Name a star.")).Json);
        Assert.Equal(0, plain.GetProperty("ids")[0].GetInt32());

        var result = await Cli.SucceedAsync(
            "tokenize", "--tokenizer", _tokenizer, "--chat", "--system", "Be brief.", "--json", "Name a star.");
        var line = Assert.Single(result.Json);
        const string rendered = "<|endoftext|>[system] Be brief.\n[user] Name a star.\n[assistant]";
        Assert.Equal(rendered, line.GetProperty("rendered").GetString());
        Assert.Equal(rendered, line.GetProperty("decoded").GetString());
        Assert.Single(line.GetProperty("ids").EnumerateArray(), id => id.GetInt32() == 0);
        var text = await Cli.SucceedAsync("tokenize", "--tokenizer", _tokenizer, "--chat", "Name a star.");
        Assert.StartsWith("rendered <|endoftext|>[user] Name a star.\n[assistant]\nids      0,", text.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_branch_of_generate_reads_the_template()
    {
        string negatives = _folder.Write("negatives.txt", "Dark matter is cold.\n");
        string[] common =
            ["--base", Base, "--expert", Astronomy, "--tokenizer", _tokenizer, "--gamma", "0.3", "--eta", "0.2", "--max-tokens", "12", "--json"];
        string prompt = await IdsAsync("--chat", "--system", "Be brief.", "Name a star.");
        string negative = await IdsAsync("--chat", "Dark matter is cold.");
        var chat = await Cli.SucceedAsync(
            ["generate", .. common, "--chat", "--system", "Be brief.", "--prompt", "Name a star.", "--negatives", negatives, "--log-probs", "1"]);
        var ids = await Cli.SucceedAsync(["generate", .. common, "--prompt-ids", prompt, "--negative-ids", negative, "--log-probs", "1"]);
        Assert.Equal(Assert.Single(ids.Json).ToString(), Assert.Single(chat.Json).ToString());
        Assert.Contains("3 (expert, base, negative)", chat.Error, StringComparison.Ordinal);

        // Each negative alone is a message of its own.
        File.AppendAllText(negatives, "Dark matter is cold.\n");
        var each = await Cli.SucceedAsync(
            ["generate", .. common, "--chat", "--system", "Be brief.", "--prompt", "Name a star.", "--negatives", negatives,
             "--negative-combination", "mean"]);
        Assert.Equal(ids.Json[0].GetProperty("token_ids").ToString(), each.Json[0].GetProperty("token_ids").ToString());
    }

    [Fact]
    public async Task A_task_can_ask_for_a_chat_in_every_command()
    {
        string task = _folder.Write(
            "task.json",
            $$"""
            {"prompt": "Name a star.", "chat": true, "system": "Be brief.", "max_tokens": 60, "stop": ["."],
             "base": {{JsonSerializer.Serialize(Base)}} }
            """);
        string ids = await IdsAsync("--chat", "--system", "Be brief.", "Name a star.");
        var byTask = await Cli.SucceedAsync("generate", "--task", task, "--tokenizer", _tokenizer, "--json");
        string[] spelledOut =
            ["generate", "--base", Base, "--tokenizer", _tokenizer, "--prompt-ids", ids, "--max-tokens", "60", "--stop", ".", "--json"];
        var byIds = await Cli.SucceedAsync(spelledOut);
        Assert.Equal(byIds.Json[0].ToString(), byTask.Json[0].ToString());

        var scored = await Cli.SucceedAsync("score", "--task", task, "--tokenizer", _tokenizer, "--no-eos", "--json", "The sun");
        var scoredIds = await Cli.SucceedAsync("score", "--base", Base, "--tokenizer", _tokenizer, "--prompt-ids", ids, "--json", "The sun");
        Assert.Equal(scoredIds.Json[0].ToString(), scored.Json[0].ToString());

        await Cli.SucceedAsync(
            "dataset", "--task", task, "--tokenizer", _tokenizer, "--count", "1", "--out", _folder["job"], "--token-ids", "--quiet");
        string example = Assert.Single(File.ReadAllLines(Path.Combine(_folder["job"], "examples.jsonl")));
        await Cli.SucceedAsync("dataset", "export", _folder["job"], "--format", "chat", "--out", _folder["hub"]);
        string exported = string.Concat(Directory.GetFiles(_folder["hub"], "*.jsonl", SearchOption.AllDirectories).Select(File.ReadAllText));
        Assert.StartsWith(
            """{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Name a star."},{"role":"assistant",""", exported,
            StringComparison.Ordinal);
        var made = JsonDocument.Parse(example).RootElement;
        var again = await Cli.SucceedAsync([.. spelledOut, "--seed", made.GetProperty("seed").ToString()]);
        Assert.Equal(again.Json[0].GetProperty("token_ids").ToString(), made.GetProperty("token_ids").ToString());
    }

    [Fact]
    public async Task A_template_sees_the_variables_that_it_is_given()
    {
        string tokenizer = TokenizerWith("{{ a is string }} {{ a }} {{ b is defined and not b }} {{ messages[0].content }}");
        async Task<string> Reads(params string[] args)
        {
            var result = await Cli.SucceedAsync(["tokenize", "--tokenizer", tokenizer, "--chat", "--json", "Hi", .. args]);
            return Assert.Single(result.Json).GetProperty("rendered").GetString()!;
        }

        Assert.Equal("False  False Hi", await Reads());
        Assert.Equal("False 2 True Hi", await Reads("--template-variable", "a=2", "--template-variable", "b=false"));
        Assert.Equal("False [1, 'x'] True Hi", await Reads("--template-variable", """a=[1, "x"]""", "--template-variable", "b=False"));
        Assert.Equal("True x=y True Hi", await Reads("--template-variable", "a=x=y", "--template-variable", "b="));
        Assert.Equal("True 2 True Hi", await Reads("--template-variable", "a=\"2\"", "--template-variable", "b=None"));
    }

    [Fact]
    public async Task Every_branch_and_command_has_the_variables_of_a_task_and_of_flags()
    {
        string tokenizer = TokenizerWith("{% for m in messages %}[{{ m.role }}{{ mood }}{{ tone }}] {{ m.content }}{% endfor %}");
        string plain = TokenizerWith("{% for m in messages %}[{{ m.role }} calm loud] {{ m.content }}{% endfor %}");
        string real = _folder.Write("real.jsonl", "{\"text\": \"Dark matter is cold.\"}\n");
        const string variables = """, "template_variables": {"mood": " calm", "tone": " soft"}""";
        string Task(string name, string more) => _folder.Write(
            name,
            $$"""
            {"prompt": "Name a star.", "chat": true, "max_tokens": 60, "stop": ["."], "eta": 0.3, "negatives": 1,
             "real": {{JsonSerializer.Serialize(real)}}, "base": {{JsonSerializer.Serialize(Base)}}{{more}} }
            """);
        string with = Task("with.json", variables), without = Task("without.json", "");
        string[] flags = ["--template-variable", "tone= loud"];
        async Task Same(string command, params string[] args)
        {
            var expected = await Cli.SucceedAsync([command, "--task", without, "--tokenizer", plain, "--json", .. args]);
            var actual = await Cli.SucceedAsync([command, "--task", with, "--tokenizer", tokenizer, "--json", .. flags, .. args]);
            Assert.Equal(expected.Json[0].ToString(), actual.Json[0].ToString());
            var other = await Cli.SucceedAsync([command, "--task", without, "--tokenizer", tokenizer, "--json", .. args]);
            Assert.NotEqual(expected.Json[0].ToString(), other.Json[0].ToString());
        }

        await Same("generate", "--log-probs", "1");
        await Same("score", "--log-probs", "The sun");

        string loud = Task("loud.json", """, "template_variables": {"mood": " calm", "tone": " loud"}""");
        string Example(string folder) => Assert.Single(File.ReadAllLines(Path.Combine(_folder[folder], "examples.jsonl")));
        string[] job = ["--count", "1", "--quiet", "--out"];
        await Cli.SucceedAsync(["dataset", "--task", loud, "--tokenizer", tokenizer, .. job, _folder["job"]]);
        await Cli.SucceedAsync(["dataset", "--task", without, "--tokenizer", plain, .. job, _folder["plain"]]);
        Assert.Equal(Example("plain"), Example("job"));
        await Cli.SucceedAsync("dataset", "export", _folder["job"], "--out", _folder["hub"]);
        Assert.Contains("variables of the chat template", File.ReadAllText(Path.Combine(_folder["hub"], "README.md")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_says_where_the_template_is()
    {
        var none = await Cli.SucceedAsync("inspect", Base, "--json");
        Assert.Equal("none", none.Json[0].GetProperty("base").GetProperty("chat_template").GetString());
        string model = _folder.Copy(Base, "model");
        File.WriteAllText(Path.Combine(model, "chat_template.jinja"), Template);
        var found = await Cli.SucceedAsync("inspect", model, "--json");
        Assert.Equal("chat_template.jinja", found.Json[0].GetProperty("base").GetProperty("chat_template").GetString());
        File.WriteAllText(Path.Combine(model, "chat_template.jinja"), "{% if");
        var damaged = await Cli.SucceedAsync("inspect", model, "--json");
        Assert.Contains("line 1", damaged.Json[0].GetProperty("base").GetProperty("chat_template").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_a_chat_is_refused_with_one_line()
    {
        async Task Refuses(string message, params string[] args) =>
            Assert.Contains(message, await Cli.RefuseAsync(args), StringComparison.Ordinal);
        await Refuses(
            "base: has no chat template (chat_template.jinja, or one in tokenizer_config.json or in a GGUF file): give a model or a tokenizer",
            "generate", "--base", Base, "--chat", "--prompt", "a");
        await Refuses("base: has no chat template", "tokenize", "--chat", "a");
        string[] model = ["--base", Base, "--tokenizer", _tokenizer];
        await Refuses("--system has no effect without --chat", ["generate", .. model, "--system", "a", "--prompt", "a"]);
        await Refuses("--prompt-ids is given in a chat", ["generate", .. model, "--chat", "--prompt-ids", "5"]);
        await Refuses("A chat has a prompt", ["score", .. model, "--chat", "a"]);
        await Refuses("beside --chat", "tokenize", "--chat", "--ids", "5");
        string task = _folder.Write("task.json", """{"prompt": "a", "system": "b"}""");
        await Refuses("system has no effect without \"chat\": true", "generate", "--task", task);

        await Refuses("--template-variable has no effect without --chat", ["generate", .. model, "--template-variable", "a=1", "--prompt", "a"]);
        await Refuses("--template-variable is 'a': give NAME=VALUE", ["generate", .. model, "--chat", "--template-variable", "a", "--prompt", "a"]);
        await Refuses("names 'a b': give a name of letters", ["generate", .. model, "--chat", "--template-variable", "a b=1", "--prompt", "a"]);
        await Refuses(
            "names tools, which the conversation gives", ["generate", .. model, "--chat", "--template-variable", "tools=[]", "--prompt", "a"]);
        await Refuses(
            "names a twice", ["generate", .. model, "--chat", "--template-variable", "a=1", "--template-variable", "a=2", "--prompt", "a"]);
        task = _folder.Write("task.json", """{"prompt": "a", "template_variables": {"a": 1}}""");
        await Refuses("template_variables has no effect without \"chat\": true", "generate", "--task", task);
        task = _folder.Write("task.json", """{"prompt": "a", "chat": true, "template_variables": {"messages": 1}}""");
        await Refuses("task.json: template_variables names messages, which the conversation gives", "generate", "--task", task);

        task = _folder.Write("task.json", """{"prompt": "a", "chat": true, "template_variables": ["a"]}""");
        await Refuses("task.json, line 1: \"template_variables\" must be an object", "generate", "--task", task);

        string refuses = TokenizerWith("{% if messages[0].role == 'system' %}\n{{ raise_exception('No system role, please.') }}{% endif %}");
        await Refuses(
            "chat_template.jinja: the chat template (line 2) refuses the messages: No system role, please.",
            "generate", "--base", Base, "--tokenizer", refuses, "--chat", "--system", "b", "--prompt", "a");
    }

    private string TokenizerWith(string template)
    {
        string folder = Directory.CreateDirectory(_folder[$"tokenizer{Guid.NewGuid():N}"]).FullName;
        foreach (string file in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(Path.Combine(Base, file), Path.Combine(folder, file));
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), template);
        return folder;
    }

    private async Task<string> IdsAsync(params string[] args)
    {
        var result = await Cli.SucceedAsync(["tokenize", "--tokenizer", _tokenizer, "--json", .. args]);
        return string.Join(',', Assert.Single(result.Json).GetProperty("ids").EnumerateArray());
    }
}
