using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;

namespace Steer.Cli;

/// <summary>--version.</summary>
internal sealed class VersionLine(Terminal terminal) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        string? version = typeof(VersionLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        terminal.WriteOutput($"steer {version?.Split('+')[0]}\n");
        return ExitCode.Ok;
    }
}
