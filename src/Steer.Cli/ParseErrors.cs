using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Steer.Cli.Input;
using Steer.Runtime.Datasets;

namespace Steer.Cli;

/// <summary>Turns what the parser refuses into one line that says what to do.</summary>
internal static class ParseErrors
{
    /// <summary>The first error, or null. Help and version win over errors, and a line that a shell completes is no command line yet.</summary>
    public static string? Find(ParseResult result)
    {
        bool suggests = result.RootCommandResult.Command is RootCommand root && root.Directives.Any(d => result.GetResult(d) is not null);
        if (suggests || result.Action is HelpPage or VersionLine)
            return null;
        string hint = $"See {CommandLine(result.CommandResult.Command)} --help.";
        if (UnknownOptions(result).FirstOrDefault() is { } option)
            return $"{option}: no such option.{Nearest(option.Split('=')[0], result.CommandResult.Command)} {hint}";
        if (MistypedCommand(result) is { } mistyped)
            return $"{mistyped} {hint}";
        if (result.UnmatchedTokens.FirstOrDefault() is { } token)
            return $"{(token.Length > 0 ? token : "''")}: {Unexpected(token, result)} {hint}";
        return result.Errors.Count == 0 ? null : $"{Plain(result.Errors[0])} {hint}";
    }

    /// <summary>What is typed to run a command.</summary>
    public static string CommandLine(Command command)
    {
        if (command is RootCommand)
            return "steer";
        var parents = command.Parents.OfType<Command>().Where(c => c is not RootCommand).Select(c => c.Name);
        return string.Join(' ', ["steer", .. parents, command.Name]);
    }

    /// <summary>Where to say what a command has no flag for and its task has; null where the task has it not either.</summary>
    public static string? OfTask(string name, Command command)
    {
        string member = name.TrimStart('-').Replace('-', '_');
        return command.Options.Any(o => o.Name == "--task") && GenerationTask.Members.Contains(member)
            ? $" The task says it: give --task a file with \"{member}\"."
            : null;
    }

    private static string Nearest(string name, Command command)
    {
        if (OfTask(name, command) is { } task)
            return task;
        var known = command.Options.Where(o => !o.Hidden).SelectMany(o => o.Aliases.Append(o.Name)).Append("--help");
        return Spelling.Nearest(name, known.Where(k => k.StartsWith("--", StringComparison.Ordinal))) is { } near ? $" Did you mean {near}?" : "";
    }

    /// <summary>Dashed words that were taken for something else: left over, or texts that stand before any "--".</summary>
    private static IEnumerable<string> UnknownOptions(ParseResult result)
    {
        var texts = result.CommandResult.Command.Arguments.Select(result.GetResult).OfType<ArgumentResult>().SelectMany(r => r.Tokens).ToList();
        foreach (var token in result.Tokens)
        {
            if (token.Type == TokenType.DoubleDash)
                yield break;
            bool free = result.UnmatchedTokens.Contains(token.Value) || texts.Exists(t => ReferenceEquals(t, token));
            if (free && token.Value.Length > 1 && token.Value[0] == '-')
                yield return token.Value;
        }
    }

    /// <summary>
    /// A word that was taken for the file of a command that has commands of its own, and is no file but nearly the name of one of them.
    /// </summary>
    private static string? MistypedCommand(ParseResult result)
    {
        var command = result.CommandResult.Command;
        if (command is RootCommand || command.Arguments.Select(result.GetResult).FirstOrDefault()?.Tokens is not [var word]
            || File.Exists(word.Value))
            return null;
        return Spelling.Nearest(word.Value, command.Subcommands.Select(c => c.Name)) is { } near
            ? $"{word.Value}: no such file or command. Did you mean {near}?"
            : null;
    }

    private static string Unexpected(string token, ParseResult result)
    {
        if (result.CommandResult.Command is RootCommand root)
        {
            List<string> commands = [.. root.Subcommands.Select(c => c.Name)];
            return Spelling.Nearest(token, commands) is { } near
                ? $"no such command. Did you mean {near}?"
                : $"no such command; there are {string.Join(", ", commands)}.";
        }

        return result.CommandResult.Command.Options.Any(o => o.Name == "--prompt")
            ? "is no option. Give text to continue with --prompt."
            : "is not expected here.";
    }

    private static string Plain(ParseError error) => error.SymbolResult switch
    {
        OptionResult { Tokens.Count: 0, Option: var option } => $"{option.Name} needs a value.",
        OptionResult { Option: var option } r when r.IdentifierTokenCount > 1 =>
            $"{option.Name} is given {r.IdentifierTokenCount} times: give it once.",
        ArgumentResult { Tokens.Count: 0, Argument: var argument } => $"{argument.Name} is missing.",
        _ => error.Message,
    };
}
