using System.CommandLine;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>Texts as arguments, from a file, or from standard input.</summary>
internal sealed class TextFlags : FlagGroup
{
    private readonly Option<string?> _file;

    public TextFlags()
        : base("Texts")
    {
        Argument = new Argument<string[]>("TEXT")
        {
            Arity = ArgumentArity.ZeroOrMore,
            Description = "Texts; or a .jsonl, .ndjson or .txt file that exists; - for standard input, " +
                "which is also read when piped and nothing else is given.",
        };
        _file = Add(Flag.Text("--file", "FILE", "Texts: JSONL with a field \"text\", or plain text with one on each line."));
    }

    /// <summary>To be added to the command.</summary>
    public Argument<string[]> Argument { get; }

    /// <summary>Whether texts or a file of them were given.</summary>
    public bool AreGiven(ParseResult parsed) => parsed.GetValue(Argument) is { Length: > 0 } || parsed.GetValue(_file) is not null;

    /// <summary>All texts, those of arguments first; empty where none were given and nobody pipes any in.</summary>
    /// <exception cref="SteerException">A file cannot be read.</exception>
    public async Task<IReadOnlyList<string>> ReadAsync(ParseResult parsed, Terminal terminal, CancellationToken stop)
    {
        string[] arguments = parsed.GetValue(Argument) ?? [];
        string? file = parsed.GetValue(_file);
        if (arguments.Length == 0 && file is null)
            return terminal.InputIsRedirected ? await TextInput.ReadStandardInputAsync(terminal, stop, "text").ConfigureAwait(false) : [];
        var texts = new List<string>();
        foreach (string argument in arguments)
            texts.AddRange(await FromArgumentAsync(argument, terminal, stop).ConfigureAwait(false));
        return file is null ? texts : [.. texts, .. TextFile.Read(file)];
    }

    private static async Task<IReadOnlyList<string>> FromArgumentAsync(string argument, Terminal terminal, CancellationToken stop)
    {
        if (argument == TextInput.StandardInput)
            return await TextInput.ReadStandardInputAsync(terminal, stop, "text").ConfigureAwait(false);
        bool names = Path.GetExtension(argument).ToLowerInvariant() is ".jsonl" or ".ndjson" or ".txt";
        if (names && File.Exists(argument))
            return TextFile.Read(argument);
        if (names && !argument.Any(char.IsWhiteSpace))
            terminal.Error.WriteLine($"steer: note: {argument}: there is no such file, so the name itself is taken as the text.");
        return [argument];
    }
}
