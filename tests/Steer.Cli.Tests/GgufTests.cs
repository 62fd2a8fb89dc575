using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Cli.Tests;

/// <summary>A GGUF file, or a folder with one, stands where a model's folder does: for its weights and for its tokenizer.</summary>
public sealed class GgufTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _model;

    public GgufTests()
    {
        Directory.CreateDirectory(_folder["model"]);
        _model = _folder["model/model.gguf"];
        SyntheticModel.WriteGguf(_model, new SyntheticShape("tiny", 64, 2, 4, 2, 96, 300, false), GgufType.Q8_0);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Every_command_that_takes_a_model_takes_it(bool asFile)
    {
        string model = asFile ? _model : _folder["model"];
        var generated = Assert.Single((await Cli.SucceedAsync(
            "generate", "--base", model, "--expert", model, "--gamma", "0.5", "--prompt", "w260 w270", "--max-tokens", "3", "--weights", "int8",
            "--json")).Json);
        Assert.NotEmpty(generated.GetProperty("text").GetString()!);
        var scored = (await Cli.SucceedAsync("score", "--base", model, "w260 w270", "--json")).Json[0];
        Assert.True(scored.GetProperty("base").GetProperty("log_prob").GetDouble() < 0);

        var tokenized = Assert.Single((await Cli.SucceedAsync("tokenize", "--tokenizer", model, "w260 w270", "--json")).Json);
        // No merge leads to the words of this vocabulary, so that texts become the tokens of their bytes: 3 for each mark of a space.
        Assert.Equal(14, tokenized.GetProperty("ids").GetArrayLength());

        var inspected = Assert.Single((await Cli.SucceedAsync("inspect", model, "--json")).Json).GetProperty("base");
        Assert.Equal("LlamaForCausalLM", inspected.GetProperty("architecture").GetString());
        Assert.Equal("q8_0", inspected.GetProperty("weights").GetString());
        Assert.Equal(model, inspected.GetProperty("path").GetString());
    }

    [Fact]
    public async Task A_damaged_file_is_one_line()
    {
        byte[] bytes = await File.ReadAllBytesAsync(_model);
        await File.WriteAllBytesAsync(_model, bytes[..^40]);
        string[][] commands = [["inspect", _model], ["generate", "--base", _model, "--prompt", "x"], ["tokenize", "--tokenizer", _model, "x"]];
        foreach (string[] args in commands)
            Assert.Contains("but the file ends at", await Cli.RefuseAsync(args), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_of_another_kind_is_one_line()
    {
        string path = _folder.Write("empty.gguf", "GGUF");
        Assert.Contains("does not begin as a GGUF file does", await Cli.RefuseAsync("inspect", path), StringComparison.Ordinal);
    }
}
