using System.CommandLine;

namespace Steer.Cli.Output;

/// <summary>Writes the command line of a job: the flags that decide which examples are made, in the order of the help page.</summary>
internal static class DatasetCommandLine
{
    /// <summary>The same for the same flags, whether they came from a job file or were typed, and in whatever order.</summary>
    /// <param name="parsed">What was given.</param>
    /// <param name="without">Flags that are left out.</param>
    public static string Write(ParseResult parsed, IReadOnlyCollection<Option> without)
    {
        var command = parsed.CommandResult.Command;
        var words = new List<string> { ParseErrors.CommandLine(command) };
        foreach (var option in command.Options.Except(without))
        {
            if (parsed.GetResult(option) is not { Implicit: false } given)
                continue;
            if (given.Tokens.Count == 0)
                words.Add(option.Name);
            foreach (var value in given.Tokens)
                words.AddRange([option.Name, Quoted(value.Value)]);
        }

        return string.Join(' ', words);
    }

    /// <summary>As a POSIX shell reads it back.</summary>
    private static string Quoted(string value) =>
        value.Length > 0 && value.All(c => char.IsAsciiLetterOrDigit(c) || "_-+=./:,@%".Contains(c, StringComparison.Ordinal))
        ? value
        : $"'{value.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
