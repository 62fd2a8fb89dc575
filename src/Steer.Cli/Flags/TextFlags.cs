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
            Description = "Texts; or a .jsonl, .ndjson, .json or .txt file; - for standard input, " +
                "which is also read when piped and nothing else is given.",
        };
        _file = Add(Flag.Path("--file", "FILE", "Texts: JSONL with a field \"text\", or plain text with one on each line."));
    }

    /// <summary>To be added to the command.</summary>
    public Argument<string[]> Argument { get; }

    /// <summary>Whether texts or a file of them were given.</summary>
    public bool AreGiven(ParseResult parsed) => parsed.GetValue(Argument) is { Length: > 0 } || parsed.GetValue(_file) is not null;

    /// <summary>All texts, those of arguments first; empty where none were given and nobody pipes any in.</summary>
    /// <exception cref="SteerException">A file cannot be read.</exception>
    public async Task<IReadOnlyList<GivenText>> ReadAsync(ParseResult parsed, Terminal terminal, CancellationToken stop)
    {
        string[] arguments = parsed.GetValue(Argument) ?? [];
        string? file = parsed.GetValue(_file);
        if (arguments.Length == 0 && file is null)
            return terminal.InputIsRedirected ? await FromStandardInputAsync(terminal, stop).ConfigureAwait(false) : [];
        var texts = new List<GivenText>();
        for (int i = 0; i < arguments.Length; i++)
            texts.AddRange(await FromArgumentAsync(arguments[i], i, terminal, stop).ConfigureAwait(false));
        return file is null ? texts : [.. texts, .. FromFile(file)];
    }

    private static async Task<IEnumerable<GivenText>> FromArgumentAsync(string argument, int index, Terminal terminal, CancellationToken stop)
    {
        if (argument == TextInput.StandardInput)
            return await FromStandardInputAsync(terminal, stop).ConfigureAwait(false);
        bool names = TextFile.IsJsonLines(argument) || Path.GetExtension(argument).Equals(".txt", StringComparison.OrdinalIgnoreCase);
        if (names && File.Exists(argument))
            return FromFile(argument);
        if (names && !argument.Any(char.IsWhiteSpace))
            throw new SteerException($"{argument}: there is no such file. Correct the path; to take the name itself as the text, pipe it in.");
        return [new GivenText(argument, $"text {index + 1}")];
    }

    private static IEnumerable<GivenText> FromFile(string path) => Named(TextFile.Read(path), path);

    private static async Task<IReadOnlyList<GivenText>> FromStandardInputAsync(Terminal terminal, CancellationToken stop) =>
        [.. Named(await TextInput.ReadStandardInputAsync(terminal, stop, "text").ConfigureAwait(false), TextInput.StandardInputName)];

    private static IEnumerable<GivenText> Named(IEnumerable<string> texts, string source) =>
        texts.Select((text, i) => new GivenText(text, $"{source}, text {i + 1}"));
}
