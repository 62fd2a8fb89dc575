using System.CommandLine;
using System.Text.Json;
using Steer.Runtime;

namespace Steer.Cli.Input;

/// <summary>
/// A job file holds the flags of a command as members of a JSON object, without the dashes: {"task": "commonsense", "count": 10000}.
/// A flag on the command line wins over it.
/// </summary>
internal static class JobFile
{
    /// <summary>The command line as if what the file says had been typed too.</summary>
    /// <param name="parsed">What was typed.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="SteerException">The file cannot be read, is no such object, or has a member that is no flag.</exception>
    public static ParseResult AddTo(ParseResult parsed, string path)
    {
        var arguments = parsed.Tokens.Select(t => t.Value).ToList();
        foreach (var (name, value) in Read(path))
        {
            var option = parsed.CommandResult.Command.Options.FirstOrDefault(o => o.Name == name)
                ?? throw new SteerException(
                    $"{path}: \"{name[2..]}\" is no flag.{Near(name, parsed.CommandResult.Command)} See " +
                    $"{ParseErrors.CommandLine(parsed.CommandResult.Command)} --help.");
            if (parsed.GetResult(option) is { Implicit: false })
                continue;
            arguments.AddRange(Words(path, option, value));
        }

        var all = parsed.RootCommandResult.Command.Parse(arguments, parsed.Configuration);
        return ParseErrors.Find(all) is { } error ? throw new SteerException($"{path}: {error}") : all;
    }

    private static List<(string Name, JsonElement Value)> Read(string path)
    {
        try
        {
            // A stream may begin with a byte order mark, as editors of Windows write one.
            using var stream = GitLfs.OpenRead(path);
            using var document = JsonDocument.Parse(
                stream, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new SteerException(
                    $"{path}: is no JSON object. Give flags as members, such as {{\"task\": \"commonsense\", \"count\": 1000}}.");
            }

            return [.. document.RootElement.EnumerateObject().Select(p => ("--" + p.Name.Replace('_', '-'), p.Value.Clone()))];
        }
        catch (JsonException e)
        {
            throw new SteerException($"{path}: is no JSON ({JsonFault.Describe(e)}). Mend it.", e);
        }
        catch (InvalidOperationException e)
        {
            throw NoUnicode(path, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(path, e, "Give the path of a job file.");
        }
    }

    /// <summary>
    /// "--name=value" for a text or a number, "--name" for true, nothing for false and null; lists of numbers get commas, lists of texts a flag each.
    /// </summary>
    private static IEnumerable<string> Words(string path, Option option, JsonElement value)
    {
        string name = option.Name;
        if (option.ValueType == typeof(bool) && value.ValueKind is not (JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null))
            throw new SteerException($"{path}: \"{name[2..]}\" is neither true nor false.");
        return value.ValueKind switch
        {
            JsonValueKind.True => [name],
            JsonValueKind.False or JsonValueKind.Null => [],
            JsonValueKind.String => [$"{name}={Text(path, value)}"],
            JsonValueKind.Number => [$"{name}={value.GetRawText()}"],
            JsonValueKind.Array when value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.Number) =>
                [$"{name}={string.Join(',', value.EnumerateArray().Select(v => v.GetRawText()))}"],
            JsonValueKind.Array when value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String) =>
                value.EnumerateArray().Select(v => $"{name}={Text(path, v)}"),
            _ => throw new SteerException($"{path}: \"{name[2..]}\" is neither a text, a number, true, false, nor a list of texts or of numbers."),
        };
    }

    private static string Text(string path, JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw NoUnicode(path, e);
        }
    }

    private static SteerException NoUnicode(string path, Exception cause) => new($"{path}: holds text that is no Unicode. Mend it first.", cause);

    private static string Near(string name, Command command) => ParseErrors.OfTask(name, command)
        ?? (Spelling.Nearest(name, command.Options.Select(o => o.Name)) is { } near ? $" Did you mean \"{near[2..]}\"?" : "");
}
