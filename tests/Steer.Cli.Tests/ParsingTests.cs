using System.CommandLine;
using System.CommandLine.Parsing;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Cli.Input;

namespace Steer.Cli.Tests;

/// <summary>Small languages of the command line, against values worked out by hand.</summary>
public sealed class ParsingTests
{
    [Theory]
    [InlineData("512MB", 512_000_000L)]
    [InlineData("1.5 GiB", 1_610_612_736L)]
    [InlineData("4g", 4_000_000_000L)]
    [InlineData("4096", 4096L)]
    [InlineData("10 b", 10L)]
    [InlineData("-1GB", null)]
    [InlineData("GB", null)]
    [InlineData("9999999999TB", null)]
    [InlineData("", null)]
    public void Sizes(string text, long? bytes) => Assert.Equal(bytes, ByteSize.Parse(text));

    [Theory]
    [InlineData("1,2,3", new[] { 1, 2, 3 })]
    [InlineData("[1, 2 3]", new[] { 1, 2, 3 })]
    [InlineData("1,,2", null)]
    [InlineData("1,2,", null)]
    [InlineData("[]", null)]
    [InlineData("1,-2", null)]
    [InlineData("1,2.5", null)]
    [InlineData("", null)]
    public void Ids(string text, int[]? ids) => Assert.Equal(ids, TokenIds.Parse(text));

    /// <summary>Names that the flag takes, and no others: not those of the enumeration behind it.</summary>
    [Theory]
    [InlineData("generate --preset ", new[] { "cfg", "context-aware", "contrastive", "contrastive-beta", "dexperts", "plain", "proxy", "steer" })]
    [InlineData("dataset --resume ", new[] { "always", "if-possible", "never" })]
    [InlineData("tokeni", new[] { "tokenize" })]
    public async Task Completions(string line, string[] names) =>
        Assert.Equal(names, CliResult.Lines((await Cli.SucceedAsync($"[suggest:{line.Length}]", line)).Output));

    [Fact]
    public void Biases()
    {
        Assert.Equal(new Dictionary<int, float> { [5] = -2, [17] = float.NegativeInfinity, [3] = 0.5f }, TokenIds.ParseBiases("5=-2, 17=-inf,3:0.5"));
        Assert.Null(TokenIds.ParseBiases("5"));
        Assert.Null(TokenIds.ParseBiases("x=1"));
        Assert.Null(TokenIds.ParseBiases(""));
    }

    [Theory]
    [InlineData(@"a\nb", "a\nb")]
    [InlineData(@"a\\nb", @"a\nb")]
    [InlineData(@"\d\", @"\d\")]
    [InlineData("plain", "plain")]
    public void Escaped(string typed, string meant) => Assert.Equal(meant, Escapes.Read(typed));

    [Theory]
    [InlineData("--gama", "--gamma")]
    [InlineData("--temprature", "--temperature")]
    [InlineData("--neg", null)]
    [InlineData("--zzz", null)]
    [InlineData("--max-tok", "--max-tokens")]
    public void Misspelled(string typed, string? meant) =>
        Assert.Equal(meant, Spelling.Nearest(typed, ["--gamma", "--temperature", "--max-tokens", "--negatives", "--negative-ids"]));

    [Theory]
    [InlineData(0.42, "0.4 s")]
    [InlineData(12.3, "12 s")]
    [InlineData(187, "3:07")]
    [InlineData(3723, "1:02:03")]
    public void Durations(double seconds, string text) => Assert.Equal(text, Figures.Duration(seconds));

    /// <summary>A choice must reach its flag: a word that the parser leaves over becomes a text to score.</summary>
    [Fact]
    public void Every_choice_that_a_flag_names_is_taken_by_it()
    {
        using var terminal = new Terminal(Stream.Null, Stream.Null, Stream.Null);
        var root = new RootCommand
        {
            new Commands.GenerateCommand(terminal), new Commands.DatasetCommand(terminal), new Commands.SweepCommand(terminal), new Commands.EvaluateCommand(terminal),
            new Commands.ScoreCommand(terminal), new Commands.KernelsCommand(terminal), new Commands.BenchCommand(terminal),
        };
        var choices =
            (from command in root.Subcommands
             from option in command.Options
             where option.HelpName is { } names && names.Contains('|') && !names.Any(char.IsUpper)
             from choice in option.HelpName!.Split('|')
             select (command, option, choice)).ToList();
        Assert.Contains(choices, c => c is { option.Name: "--compute", choice: "f32" });
        Assert.All(choices, c =>
        {
            var parsed = root.Parse([c.command.Name, c.option.Name, c.choice]);
            Assert.Equal(c.choice, Assert.Single(parsed.GetResult(c.option)!.Tokens).Value);
            Assert.DoesNotContain(parsed.Errors, e => e.SymbolResult is OptionResult);
        });
    }

    [Fact]
    public void A_double_dash_lets_a_text_begin_with_one()
    {
        using var terminal = new Terminal(Stream.Null, Stream.Null, Stream.Null);
        var root = new RootCommand { new Commands.TokenizeCommand(terminal) };
        Assert.NotNull(ParseErrors.Find(root.Parse(["tokenize", "--text"])));
        Assert.Null(ParseErrors.Find(root.Parse(["tokenize", "--", "--text"])));
    }
}
