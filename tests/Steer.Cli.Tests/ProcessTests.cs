using System.Diagnostics;
using System.Text.Json;

namespace Steer.Cli.Tests;

/// <summary>The built program as a process: real pipes, real signals.</summary>
public sealed class ProcessTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Results_are_plain_utf8_on_standard_output_and_nothing_else_is()
    {
        using var process = Start("tokenize", "Größe 😀", "--json");
        using var bytes = new MemoryStream();
        await process.StandardOutput.BaseStream.CopyToAsync(bytes);
        Assert.Empty(await process.StandardError.ReadToEndAsync());
        Assert.Equal(ExitCode.Ok, await ExitAsync(process));
        byte[] output = bytes.ToArray();
        Assert.Equal((byte)'{', output[0]);
        Assert.Equal((byte)'\n', output[^1]);
        Assert.Equal("Größe 😀", JsonDocument.Parse(output).RootElement.GetProperty("decoded").GetString());
    }

    [Fact]
    public async Task A_user_error_exits_with_2()
    {
        using var process = Start("generate", "--prompt", "x", "--base", "no-such-folder");
        string error = await process.StandardError.ReadToEndAsync();
        Assert.Equal(ExitCode.User, await ExitAsync(process));
        Assert.StartsWith("steer: no-such-folder", Assert.Single(CliResult.Lines(error)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Results_come_while_the_run_goes_on_and_an_interrupt_ends_it_cleanly()
    {
        if (OperatingSystem.IsWindows())
            return;
        using var process = Start("generate", "--prompt", "The star", "-n", "100000", "--max-tokens", "8", "--json");
        string? first = await process.StandardOutput.ReadLineAsync();
        Assert.Equal(0, JsonDocument.Parse(first!).RootElement.GetProperty("index").GetInt32());

        // Nobody reads meanwhile, so that the run waits at a full pipe and cannot come to its end before the interrupt, however long that takes.
        using var kill = Process.Start("kill", ["-INT", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        string rest = await process.StandardOutput.ReadToEndAsync(), error = await process.StandardError.ReadToEndAsync();
        Assert.Equal(ExitCode.Interrupted, await ExitAsync(process));
        Assert.Contains("interrupted after", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
        Assert.All(CliResult.Lines(rest), line => JsonDocument.Parse(line).Dispose());
    }

    [Fact]
    public async Task Threads_are_as_many_as_the_processors_that_the_process_may_use()
    {
        // Of util-linux, on every Linux; affinity is what a job of a cluster's scheduler has, and a container with a cpuset.
        if (!File.Exists("/usr/bin/taskset"))
            return;
        string allowed = File.ReadLines("/proc/self/status").Single(l => l.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal));
        string first = new([.. allowed.SkipWhile(c => !char.IsAsciiDigit(c)).TakeWhile(char.IsAsciiDigit)]);
        using var process = Start(["/usr/bin/taskset", "-c", first], "devices");
        string output = await process.StandardOutput.ReadToEndAsync();
        Assert.Equal(ExitCode.Ok, await ExitAsync(process));
        Assert.Contains(", 1 thread, ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Threads_are_as_many_as_the_quota_of_the_control_group_allows()
    {
        // Version 1 and 2 of control groups; whoever may not make one, as in most containers, has nothing to test.
        bool first = Directory.Exists("/sys/fs/cgroup/cpu");
        if (!first && !File.Exists("/sys/fs/cgroup/cgroup.controllers"))
            return;
        string group = Path.Combine(first ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup", $"steer-tests-{Environment.ProcessId}");
        string quota = Path.Combine(group, first ? "cpu.cfs_quota_us" : "cpu.max");
        try
        {
            Directory.CreateDirectory(group);
            // Half a processor: microseconds of every 100,000.
            await File.WriteAllTextAsync(quota, "50000");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (Directory.Exists(group))
                Directory.Delete(group);
            return;
        }

        try
        {
            using var process = Start(["/bin/sh", "-c", $"echo $$ > {group}/cgroup.procs && exec \"$@\"", "sh"], "devices");
            string output = await process.StandardOutput.ReadToEndAsync();
            Assert.Equal(ExitCode.Ok, await ExitAsync(process));
            Assert.Contains(", 1 thread, ", output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(group);
        }
    }

    [Fact]
    public async Task A_reader_that_leaves_ends_the_run_quietly()
    {
        if (OperatingSystem.IsWindows())
            return;
        using var process = Start("generate", "--prompt", "The star", "-n", "100000", "--max-tokens", "8", "--quiet");
        Assert.NotNull(await process.StandardOutput.ReadLineAsync());
        process.StandardOutput.Close();
        Assert.Empty(await process.StandardError.ReadToEndAsync());
        Assert.Equal(ExitCode.Ok, await ExitAsync(process));
    }

    [Theory]
    [InlineData("<&-", ExitCode.User, "steer: standard input: holds no prompt", "generate")]
    [InlineData(">&-", ExitCode.User, "steer: Standard output is closed", "tokenize", "x")]
    [InlineData("<&- >&-", ExitCode.User, "steer: Standard output is closed", "tokenize", "x")]
    [InlineData("2>&-", ExitCode.Ok, "", "generate", "--prompt", "x", "--max-tokens", "2")]
    public async Task Streams_that_the_caller_closed_are_neither_waited_for_nor_written_to(string closed, int code, string error, params string[] args)
    {
        if (OperatingSystem.IsWindows())
            return;
        using var process = Start(["/bin/sh", "-c", $"exec \"$@\" {closed}", "sh"], args);
        var output = process.StandardOutput.ReadToEndAsync();
        string said = await process.StandardError.ReadToEndAsync();
        Assert.Equal(code, await ExitAsync(process));
        Assert.StartsWith(error, said, StringComparison.Ordinal);
        Assert.Equal(code == ExitCode.Ok, (await output).Length > 0);
    }

    [Fact]
    public async Task Instructions_that_are_not_there_are_named_as_users_write_them()
    {
        if (OperatingSystem.IsWindows())
            return;
        using var process = Start(["env", "DOTNET_EnableAVX512=0"], "generate", "--prompt", "x", "--isa", "avx512");
        string said = await process.StandardError.ReadToEndAsync();
        Assert.Equal(ExitCode.User, await ExitAsync(process));
        Assert.StartsWith("steer: --isa is 'avx512', which this machine does not have: give one of auto, ", said, StringComparison.Ordinal);
        Assert.EndsWith("128.\n", said, StringComparison.Ordinal);
    }

    private static Process Start(params string[] args) => Start([], args);

    // The program, started by another one.
    private static Process Start(string[] by, params string[] args)
    {
        // The test host is itself a `dotnet`.
        string host = Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? Environment.ProcessPath! : "dotnet";
        string[] line = [.. by, host, Path.Combine(AppContext.BaseDirectory, "steer.dll"), .. args];
        var start = new ProcessStartInfo(line[0], line[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            StandardOutputEncoding = Terminal.Utf8,
            StandardErrorEncoding = Terminal.Utf8,
        };
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    private static async Task<int> ExitAsync(Process process)
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        return process.ExitCode;
    }
}
