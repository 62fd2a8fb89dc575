using System.CommandLine;
using Steer.Runtime;
using Steer.Runtime.Checkpoints;

namespace Steer.Cli.Flags;

/// <summary>What is measured.</summary>
internal sealed class BenchFlags : FlagGroup
{
    private readonly Option<string?> _shape;
    private readonly Option<int?> _rank;
    private readonly Option<int[]?> _batch;
    private readonly Option<int?> _promptTokens;
    private readonly Option<int?> _negativeTokens;
    private readonly Option<int?> _maxTokens;
    private readonly Option<bool> _profile;

    public BenchFlags()
        : base("Measurement")
    {
        string shapes = string.Join(", ", SyntheticShape.Known.Select(s => s.Name));
        _shape = Add(Flag.Text("--shape", "NAME", $"Instead of trained models: a random Llama-shaped base and a random adapter. One of {shapes}."));
        _rank = Add(Flag.Integer("--rank", "N", "Rank of the random adapter, or 0 for the base alone. Default: 16."));
        _batch = Add(Flag.Parsed("--batch", "1,4,8", "Numbers of sequences at once. Default: 1,4,8.", "numbers such as 1,4,8", TokenIds.Parse));
        _promptTokens = Add(Flag.Integer("--prompt-tokens", "N", "Tokens of each prompt. Default: 128."));
        _negativeTokens = Add(Flag.Integer("--negative-tokens", "N", "Tokens of each negative context, where --eta is above 0. Default: 128."));
        _maxTokens = Add(Flag.Integer("--max-tokens", "N", "Tokens generated for each sequence. Default: 128."));
        _profile = Add(Flag.Switch(
            "--profile", "Shows where the time of the steps goes: each kernel's share, and how far it is from what this machine can do at most."));
    }

    /// <summary>Sizes of a random model; null for models from files.</summary>
    public SyntheticShape? Shape(ParseResult parsed) => parsed.GetValue(_shape) is { } name ? SyntheticShape.Find(name) : null;

    /// <summary>Rank of the random adapter; 0 for none.</summary>
    public int Rank(ParseResult parsed) => parsed.GetValue(_rank) switch
    {
        null => 16,
        { } given when parsed.GetValue(_shape) is null => throw new SteerException($"--rank {given} is that of a random adapter: give --shape too."),
        { } given => given is >= 0 and <= 1024 ? given : throw new SteerException($"--rank is {given}: give a number from 0 to 1024."),
    };

    public int[] Batches(ParseResult parsed) => parsed.Given(_batch) is not { } batches
        ? [1, 4, 8]
        : Array.TrueForAll(batches, b => b > 0) ? batches : throw new SteerException("--batch holds 0: give numbers of at least 1.");

    public int PromptTokens(ParseResult parsed) => AtLeastOne("--prompt-tokens", parsed.GetValue(_promptTokens) ?? 128);

    public int NegativeTokens(ParseResult parsed) => AtLeastOne("--negative-tokens", parsed.GetValue(_negativeTokens) ?? 128);

    public int MaxTokens(ParseResult parsed) => AtLeastOne("--max-tokens", parsed.GetValue(_maxTokens) ?? 128);

    /// <summary>Throws where sequences would be cut short.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="window">Of the models, in tokens.</param>
    /// <param name="negatives">There are negative contexts.</param>
    /// <exception cref="SteerException">One line that names the flags.</exception>
    public void CheckWindow(ParseResult parsed, int window, bool negatives)
    {
        int made = MaxTokens(parsed);
        (string, int)[] contexts = [("--prompt-tokens", PromptTokens(parsed)), ("--negative-tokens", negatives ? NegativeTokens(parsed) : 0)];
        foreach (var (name, context) in contexts)
        {
            // The last token is drawn and never computed.
            if ((long)context + made - 1 > window)
                throw new SteerException($"{name} {context} and --max-tokens {made} do not fit the model's window of {window} tokens: give less.");
        }
    }

    /// <summary>Kernels are timed one by one.</summary>
    public bool Profile(ParseResult parsed) => parsed.GetValue(_profile);

    private static int AtLeastOne(string name, int value) => value >= 1 ? value : throw new SteerException($"{name} is {value}: give at least 1.");
}
