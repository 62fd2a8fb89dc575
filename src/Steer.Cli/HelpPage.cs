using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Text;
using Steer.Cli.Commands;
using Steer.Cli.Flags;

namespace Steer.Cli;

/// <summary>--help: what the command is for, lines to try, and its flags by group, in the width of the window.</summary>
internal sealed class HelpPage(Terminal terminal) : SynchronousCommandLineAction
{
    private const int WidestName = 26;
    private const int WidestLine = 110;
    private readonly int _width = Math.Min(terminal.Width, WidestLine);
    private readonly StringBuilder _page = new();

    public override int Invoke(ParseResult parseResult)
    {
        if (parseResult.CommandResult.Command is SteerCommand command)
            WriteCommand(command);
        else
            WriteRoot((RootCommand)parseResult.RootCommandResult.Command);
        terminal.WriteOutput(_page.ToString());
        return ExitCode.Ok;
    }

    private void WriteRoot(RootCommand root)
    {
        Paragraph($"steer - {root.Description}");
        Paragraph(
            "An expert (a fine-tuned model) is pushed away from its base and from examples that exist already, token by token. "
            + "A small base, three experts and their tasks come with the program, so the first line below works at once.");
        Heading("Try");
        foreach (var example in root.Subcommands.OfType<SteerCommand>().Select(c => c.Examples[0]))
            Example(example.CommandLine, example.Comment);
        Heading("Commands");
        foreach (var command in root.Subcommands)
            Row(command.Name, command.Description ?? "");
        Heading("More");
        Row("steer COMMAND --help", "All flags of a command, with examples.");
        Row("--version", "The version.");
        Row("STEER_DEBUG=1", "In the environment: errors come with a stack trace.");
    }

    private void WriteCommand(SteerCommand command)
    {
        Paragraph($"{ParseErrors.CommandLine(command)} - {command.Description}");
        Heading("Usage");
        string arguments = string.Concat(command.Arguments.Select(a => $" [{a.Name}{(a.Arity.MaximumNumberOfValues > 1 ? "..." : "")}]"));
        Line($"  {ParseErrors.CommandLine(command)}{arguments} [flags]");
        Heading(command.Examples.Count == 1 ? "Example" : "Examples");
        foreach (var example in command.Examples)
            Example(example.CommandLine, example.Comment);
        if (command.Subcommands.Count > 0)
            Heading("Commands");
        foreach (var subcommand in command.Subcommands)
            Row(subcommand.Name, subcommand.Description ?? "");
        if (command.Arguments.Count > 0)
            Heading("Arguments");
        foreach (var argument in command.Arguments)
            Row(argument.Name, argument.Description ?? "");
        foreach (var group in command.Groups)
            WriteGroup(group);
    }

    private void WriteGroup(FlagGroup group)
    {
        Heading(group.Title);
        foreach (var option in group.Options)
        {
            string names = string.Join(", ", option.Aliases.Where(a => a.Length == 2).Append(option.Name));
            string value = option.HelpName ?? "", description = option.Description ?? "";
            if (value.Contains('|', StringComparison.Ordinal) && names.Length + value.Length >= WidestName)
            {
                description += $" One of {value.Replace("|", ", ", StringComparison.Ordinal)}.";
                value = "";
            }

            Row($"{names} {value}".TrimEnd(), description);
        }
    }

    private void Paragraph(string text)
    {
        Wrap(text, 0);
        Line("");
    }

    private void Heading(string title)
    {
        if (_page.Length > 1 && _page[^2] != '\n')
            Line("");
        Line(title + ":");
    }

    private void Example(string commandLine, string comment)
    {
        // Breaks only before a flag, so that a flag and its value stay together.
        Wrap(commandLine.Split(" -").Select((part, i) => i == 0 ? part : "-" + part), 2, null, " \\");
        Wrap(comment, 6);
    }

    private void Row(string name, string description)
    {
        // A window too narrow for two columns gets one below the other.
        if (_width < 70)
        {
            Line("  " + name);
            Wrap(description, 6);
            return;
        }

        int indent = WidestName + 4;
        string first = ("  " + name).PadRight(indent);
        if (name.Length > WidestName)
            Line(first);
        Wrap(description, indent, name.Length > WidestName ? null : first);
    }

    private void Wrap(string text, int indent, string? first = null) => Wrap(text.Split(' '), indent, first, "");

    private void Wrap(IEnumerable<string> words, int indent, string? first, string continuation)
    {
        string margin = new(' ', indent);
        var line = new StringBuilder(first ?? margin);
        bool empty = true;
        foreach (string word in words)
        {
            if (!empty && line.Length + 1 + word.Length + continuation.Length > _width)
            {
                Line(line + continuation);
                line.Clear().Append(margin).Append(continuation.Length > 0 ? "  " : "");
                empty = true;
            }

            line.Append(empty ? "" : " ").Append(word);
            empty = false;
        }

        Line(line.ToString());
    }

    private void Line(string text) => _page.Append(text.TrimEnd()).Append('\n');
}
