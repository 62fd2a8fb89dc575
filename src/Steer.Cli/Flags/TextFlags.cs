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
            HelpName = "TEXT",
            Arity = ArgumentArity.ZeroOrMore,
            Description = "Texts; or a .jsonl, .ndjson or .txt file that exists; - for standard input, which is also read when piped and nothing else is given.",
        };
        _file = Add(Flag.Text("--file", "FILE", "Texts: JSONL with a field \"text\", or plain text with one on each line."));
    }

    /// <summary>To be added to the command.</summary>
    public Argument<string[]> Argument { get; }

    /// <summary>All texts, those of arguments first; empty where none were given and nobody pipes any in.</summary>
    /// <exception cref="SteerException">A file cannot be read.</exception>
    public IReadOnlyList<string> Read(ParseResult parsed, Terminal terminal)
    {
        string[] arguments = parsed.GetValue(Argument) ?? [];
        string? file = parsed.GetValue(_file);
        if (arguments.Length == 0 && file is null)
            return terminal.InputIsRedirected ? TextInput.ReadStandardInput(terminal, "text") : [];
        return [.. arguments.SelectMany(a => FromArgument(a, terminal)), .. file is null ? [] : TextFile.Read(file)];
    }

    private static IReadOnlyList<string> FromArgument(string argument, Terminal terminal)
    {
        if (argument == TextInput.StandardInput)
            return TextInput.ReadStandardInput(terminal, "text");
        bool names = Path.GetExtension(argument).ToLowerInvariant() is ".jsonl" or ".ndjson" or ".txt";
        return names && File.Exists(argument) ? TextFile.Read(argument) : [argument];
    }
}
