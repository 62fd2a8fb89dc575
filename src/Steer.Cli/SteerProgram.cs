using System.CommandLine;
using System.CommandLine.Help;
using Steer.Cli.Commands;
using Steer.Cli.Output;
using Steer.Runtime;

namespace Steer.Cli;

/// <summary>The command `steer`: parses, runs, and turns what goes wrong into one line and an exit code.</summary>
internal static class SteerProgram
{
    /// <summary>Runs one command line.</summary>
    /// <returns>See <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(string[] args, Terminal terminal, CancellationToken stop)
    {
        try
        {
            var result = CreateRoot(terminal).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (ParseErrors.Find(result) is { } error)
                return Fail(terminal, error, ExitCode.User);

            // What the parser itself writes: names that complete a line, where a shell asks for them by the directive [suggest].
            using var completions = new StringWriter { NewLine = "\n" };
            int code = await result.InvokeAsync(
                new InvocationConfiguration
                {
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = null,
                    Output = completions,
                    Error = terminal.Error,
                },
                stop).ConfigureAwait(false);
            if (completions.GetStringBuilder().Length > 0)
                terminal.WriteOutput(completions.ToString());
            return code;
        }
        catch (SteerException e)
        {
            return Fail(terminal, e.Message, ExitCode.User, e);
        }
        catch (ReaderLeftException)
        {
            return ExitCode.Ok;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception e)
        {
            return Fail(terminal, $"internal error: {e.Message} (Set STEER_DEBUG=1 for the stack trace, and report it.)", ExitCode.Internal, e);
        }
    }

    private static RootCommand CreateRoot(Terminal terminal)
    {
        var root = new RootCommand("Synthetic text from language models, steered while it is made.")
        {
            new GenerateCommand(terminal),
            new DatasetCommand(terminal),
            new SweepCommand(terminal),
            new EvaluateCommand(terminal),
            new ScoreCommand(terminal),
            new TokenizeCommand(terminal),
            new InspectCommand(terminal),
            new DevicesCommand(terminal),
            new KernelsCommand(terminal),
            new BenchCommand(terminal),
        };
        var page = new HelpPage(terminal);
        foreach (var option in root.Options)
        {
            if (option is HelpOption help)
                help.Action = page;
            else if (option is VersionOption version)
                version.Action = new VersionLine(terminal);
        }

        root.Action = page;
        return root;
    }

    private static int Fail(Terminal terminal, string message, int code, Exception? cause = null)
    {
        // Names of files and tasks may hold characters that would act on the terminal.
        terminal.Error.WriteLine("steer: " + string.Concat(message.ReplaceLineEndings(" ").Select(c => char.IsControl(c) ? '?' : c)));
        if (cause is not null && Environment.GetEnvironmentVariable("STEER_DEBUG") == "1")
            terminal.Error.WriteLine(cause);
        return code;
    }
}
