using System.Diagnostics;

namespace Steer.Cli.Tests;

/// <summary>`steer dataset` on a disk that is full, and on one that cannot be written: one line, and nothing lost. On small disks in memory.</summary>
public sealed class DatasetDiskTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("steer-disk-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The disk fills up in the middle, twice; once there is room, the job ends with the bytes of one that had room from the start.</summary>
    [FactWithSmallDisks]
    public void A_full_disk_ends_the_job_with_a_line_and_the_job_goes_on_once_there_is_room()
    {
        var (code, errors) = OnSmallDisk($"""
            mount -t tmpfs -o size=24k tmpfs disk
            {Job("disk/job")} && exit 1
            {Job("disk/job")} && exit 2
            mount -o remount,size=8m disk
            {Job("disk/job")} || exit 3
            {Job("whole")} || exit 4
            for file in manifest.json examples.jsonl rejected.jsonl; do cmp disk/job/$file whole/$file || exit 5; done
            """);
        Assert.Equal((0, 2), (code, errors.Length));

        // Whichever file is written as the room ends.
        Assert.All(errors, line => Assert.Matches("^steer: disk/job/(examples|rejected|progress).jsonl?: cannot be written .* What was committed is safe: mend it and run the same command again.$", line));
    }

    [FactWithSmallDisks]
    public void A_disk_that_cannot_be_written_is_said_in_a_line()
    {
        var (code, errors) = OnSmallDisk($"mount -t tmpfs -o size=1m tmpfs disk; mount -o remount,ro disk; {Job("disk/job")}");
        Assert.Equal(2, code);
        Assert.StartsWith("steer: disk/job: cannot be written (Read-only file system).", Assert.Single(errors), StringComparison.Ordinal);
    }

    /// <summary>A job that is there already: nobody else is at work in it.</summary>
    [FactWithSmallDisks]
    public void A_job_on_a_disk_that_cannot_be_written_any_more_is_said_in_a_line()
    {
        var (code, errors) = OnSmallDisk(
            $"mount -t tmpfs -o size=1m tmpfs disk; {Job("disk/job")} && mount -o remount,ro disk && {Job("disk/job")}");
        Assert.Equal(2, code);
        Assert.StartsWith("steer: disk/job: cannot be written (Read-only file system).", Assert.Single(errors), StringComparison.Ordinal);
    }

    private static string Job(string folder) =>
        $"dotnet '{Path.Combine(AppContext.BaseDirectory, "steer.dll")}' dataset --task astronomy --count 60 --round 12 --max-tokens 8 --allow-unfinished --seed 5 --threads 1 --quiet --out {folder}";

    private (int Code, string[] Errors) OnSmallDisk(string script)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "disk"));
        using var process = FactWithSmallDisks.Start(script, _folder);
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}

/// <summary>A test that mounts disks in memory, in a namespace of its own that ends with it; skipped, and said so, where the system does not allow it.</summary>
public sealed class FactWithSmallDisks : FactAttribute
{
    private static readonly Lazy<bool> Allowed = new(() =>
    {
        if (!OperatingSystem.IsLinux())
            return false;
        string folder = Directory.CreateTempSubdirectory("steer-disk-").FullName;
        try
        {
            using var process = Start("mount -t tmpfs tmpfs .", folder);
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // There is no unshare.
            return false;
        }
        finally
        {
            Directory.Delete(folder);
        }
    });

    public FactWithSmallDisks()
    {
        if (!Allowed.Value)
            Skip = "The system does not let this user mount disks in memory.";
    }

    /// <summary>A shell that may mount disks which nobody else sees.</summary>
    internal static Process Start(string script, string folder) => Process.Start(
        new ProcessStartInfo("unshare", ["--user", "--map-root-user", "--mount", "sh", "-c", script]) { WorkingDirectory = folder, RedirectStandardError = true })!;
}
