using System.Text;
using System.Text.Json;

namespace Steer.Cli.Tests;

/// <summary>What a command line gave.</summary>
internal sealed record CliResult(int Code, string Output, string Error)
{
    /// <summary>Standard output as JSON lines.</summary>
    public List<JsonElement> Json => [.. Lines(Output).Select(line => JsonDocument.Parse(line).RootElement)];

    /// <summary>Non-empty lines of a text.</summary>
    public static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>Runs command lines in this process, through the program's own entry, with streams of memory in place of the console's.</summary>
internal static class Cli
{
    /// <summary>The repository's folder.</summary>
    public static string Repository { get; } = Above("Steer.sln");

    /// <summary>The embedded pair.</summary>
    public static string Weights { get; } = Path.Combine(Repository, "weights");

    /// <summary>Stored outputs of public implementations that the runtime's tests keep.</summary>
    public static string RuntimeGoldens { get; } = Path.Combine(Repository, "tests", "Steer.Runtime.Tests", "goldens");

    public static Task<CliResult> RunAsync(params string[] args) => RunAsync(new CliInput(), args);

    public static async Task<CliResult> RunAsync(CliInput input, params string[] args)
    {
        using var output = new MemoryStream();
        using var error = new MemoryStream();
        using var terminal = new Terminal(new MemoryStream(input.Bytes ?? []), output, error)
        {
            InputIsRedirected = input.Bytes is not null,
            OutputIsTerminal = input.OutputIsTerminal,
            Width = input.Width,
        };
        int code = await SteerProgram.RunAsync(args, terminal, input.Stop);
        return new CliResult(code, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(error.ToArray()));
    }

    /// <summary>Runs a command line that must succeed.</summary>
    public static async Task<CliResult> SucceedAsync(params string[] args)
    {
        var result = await RunAsync(args);
        Assert.True(result.Code == ExitCode.Ok, result.Error);
        return result;
    }

    /// <summary>Runs a command line that the user must mend: code 2, nothing but one line that begins with the program's name, no stack trace.</summary>
    public static async Task<string> RefuseAsync(params string[] args)
    {
        var result = await RunAsync(args);
        Assert.True(result.Code == ExitCode.User, $"Exit code {result.Code}: {result.Error}");
        Assert.Empty(result.Output);
        string line = Assert.Single(CliResult.Lines(result.Error));
        Assert.StartsWith("steer: ", line, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", line, StringComparison.Ordinal);
        return line;
    }

    private static string Above(string file)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, file)))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No {file} above {AppContext.BaseDirectory}.");
    }
}

/// <summary>What a command line is given beside its arguments.</summary>
internal sealed record CliInput
{
    /// <summary>Standard input; null for a person at a terminal.</summary>
    public byte[]? Bytes { get; init; }

    public bool OutputIsTerminal { get; init; }

    public int Width { get; init; } = 80;

    public CancellationToken Stop { get; init; }

    public static CliInput Text(string text) => new() { Bytes = Encoding.UTF8.GetBytes(text) };
}

/// <summary>A folder that is gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("steer-cli-tests-");

    public string this[string name] => Path.Combine(_folder.FullName, name);

    public string Write(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    /// <summary>Copies a folder's files.</summary>
    public string Copy(string source, string name)
    {
        Directory.CreateDirectory(this[name]);
        foreach (string file in Directory.GetFiles(source))
            File.Copy(file, Path.Combine(this[name], Path.GetFileName(file)));
        return this[name];
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
