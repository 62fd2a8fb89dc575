using System.Buffers;
using System.Text.Json.Nodes;

namespace Steer.Runtime.Datasets;

/// <summary>What to do with a folder that holds a job already.</summary>
public enum ResumeMode
{
    /// <summary>Go on with it where there is one, else begin; another job gives way where it has made nothing yet.</summary>
    IfPossible,

    /// <summary>Go on with it, and never begin anew.</summary>
    Always,

    /// <summary>Begin, and never in a folder that holds a job.</summary>
    Never,
}

/// <summary>
/// The folder of a job, held by one process at a time: a manifest, files of lines that only grow, and files that are replaced as a whole. Lines
/// are gathered by <see cref="Lines"/> and are on disk when <see cref="Commit()"/> returns; a process that ends in between leaves a part of
/// them, which the next one cuts off and makes again.
/// </summary>
internal sealed class JobFolder : IDisposable
{
    public const string ManifestName = "manifest.json";
    public const string ProgressName = "progress.json";
    private const string LockName = ".lock";

    // Linux and macOS.
    private const int ReadOnlyFileSystem = 30;

    private readonly FileStream _lock;
    private readonly LineAppender[] _lines;
    private bool _broken;

    private JobFolder(string path, FileStream theLock, IEnumerable<string> lineFiles)
    {
        (Path, _lock) = (path, theLock);
        _lines = [.. lineFiles.Select(name => new LineAppender(In(name)))];
    }

    public string Path { get; }

    /// <summary>
    /// Makes or opens the folder, takes its lock, and writes the manifest or compares it with the one that is there. A job without a line gives way
    /// to another.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="resume">What to do where it holds a job.</param>
    /// <param name="manifest">What the job is made from.</param>
    /// <param name="lineFiles">Names of the files that grow, in the order in which they are committed.</param>
    /// <exception cref="SteerException">Another process holds it, it cannot be written, or it holds another job.</exception>
    public static JobFolder Open(string path, ResumeMode resume, JsonObject manifest, params IEnumerable<string> lineFiles)
    {
        string manifestPath = System.IO.Path.Combine(path, ManifestName);
        if (resume == ResumeMode.Always && !File.Exists(manifestPath))
            throw new SteerException($"{path}: holds no job to go on with. Give its folder, or --resume if-possible to begin.");
        var folder = new JobFolder(path, Lock(path), lineFiles);
        try
        {
            if (File.Exists(manifestPath))
            {
                if (resume == ResumeMode.Never)
                {
                    throw new SteerException(
                        $"{path}: holds a job already. Give another folder; steer dataset or sweep with --resume if-possible goes on with that job.");
                }

                var stored = DatasetManifest.Read(manifestPath);
                if (DatasetManifest.IsSweep(stored) != DatasetManifest.IsSweep(manifest))
                    throw new SteerException($"{path}: holds a {(DatasetManifest.IsSweep(stored) ? "sweep" : "data set")}. Give another folder.");
                var differences = DatasetManifest.Differences(stored, manifest);
                if (differences.Count > 0 && resume == ResumeMode.IfPossible && folder.IsUnbegun)
                {
                    folder.Replace(ManifestName, DatasetManifest.Serialize(manifest), flush: true);
                }
                else if (differences.Count > 0)
                {
                    throw new SteerException(
                        $"{path}: holds another job; what differs: {string.Join("; ", differences)}. Give the same options, or another folder.");
                }
            }
            else if (Array.Find(folder._lines, l => File.Exists(l.Path)) is { } lines)
            {
                throw new SteerException($"{path}: holds {System.IO.Path.GetFileName(lines.Path)} but no {ManifestName}. Give another folder.");
            }
            else
            {
                folder.Replace(ManifestName, DatasetManifest.Serialize(manifest), flush: true);
            }

            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Makes the folder of a job that is complete. The files are written to one beside it, PATH.partial, which gets the name when the disk has all of
    /// them; what an interruption left there is written anew.
    /// </summary>
    /// <param name="path">A folder that is missing or empty.</param>
    /// <param name="manifest">What the job is made from.</param>
    /// <param name="files">Names and contents.</param>
    /// <exception cref="SteerException">The folder holds something, or cannot be written.</exception>
    public static void Create(string path, JsonObject manifest, params IEnumerable<(string Name, byte[] Content)> files)
    {
        string whole = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path)), partial = whole + ".partial";
        if (File.Exists(whole) || (Directory.Exists(whole) && Directory.EnumerateFileSystemEntries(whole).Any()))
        {
            throw new SteerException(
                $"{path}: is {(File.Exists(whole) ? "a file" : "not empty")}. Give another folder; it is made where it is missing.");
        }

        using (var folder = new JobFolder(partial, Lock(partial), []))
        {
            foreach (var (name, content) in files)
                folder.Replace(name, content, flush: true);
            folder.Replace(ManifestName, DatasetManifest.Serialize(manifest), flush: true);
        }

        Guard(path, () =>
        {
            if (Directory.Exists(whole))
                Directory.Delete(whole);
            Directory.Move(partial, whole);
        });
    }

    // What was refused or interrupted before its first line, as for a pattern that no grammar follows, must not keep the mended job out of its
    // folder.
    private bool IsUnbegun => Array.TrueForAll(_lines, l => !File.Exists(l.Path) || new FileInfo(l.Path).Length == 0);

    /// <summary>Where a file of the folder lies.</summary>
    public string In(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Cuts the files of lines to their good parts and opens them to append.</summary>
    /// <param name="lengths">Bytes of each, in the order of the files.</param>
    /// <exception cref="SteerException">They cannot be written.</exception>
    public void OpenLines(params ReadOnlySpan<long> lengths)
    {
        for (int i = 0; i < _lines.Length; i++)
        {
            var (lines, length) = (_lines[i], lengths[i]);
            Guard(Path, () => lines.OpenAt(length));
        }
    }

    /// <summary>Gathers lines of a file, each with its end.</summary>
    public IBufferWriter<byte> Lines(int file) => _lines[file].Gathered;

    /// <summary>Brings the gathered lines to the disk.</summary>
    /// <exception cref="SteerException">The disk is full, or the like; what was committed before is safe.</exception>
    public void Commit()
    {
        foreach (var lines in _lines)
        {
            // After a failed write the end of a file is not known any more; the next process mends it.
            if (lines.Gathered.WrittenCount == 0 || _broken)
                continue;
            _broken = true;
            Guard(lines.Path, lines.Commit);
            _broken = false;
        }
    }

    /// <summary>Writes a file as a whole: it is there in its old or its new form at any moment. After a failed commit it stays as it is.</summary>
    /// <exception cref="SteerException">It cannot be written.</exception>
    public void Replace(string name, ReadOnlyMemory<byte> content, bool flush) => Guard(In(name), () =>
    {
        if (_broken)
            return;
        string temporary = In(name + ".tmp");
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(temporary)!);
        using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            stream.Write(content.Span);
            if (flush)
                stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, In(name), overwrite: true);
    });

    public void Dispose()
    {
        foreach (var lines in _lines)
            lines.Dispose();
        _lock.Dispose();
    }

    private static FileStream Lock(string path)
    {
        SteerException.ThrowIfFile(path);
        Guard(path, () => Directory.CreateDirectory(path));
        try
        {
            return new FileStream(System.IO.Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException { HResult: ReadOnlyFileSystem })
        {
            throw Unwritable(path, e);
        }
        catch (IOException e)
        {
            throw new SteerException($"{path}: another process is at work in it. Wait for its end, or give another folder.", e);
        }
    }

    private static void Guard(string path, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw Unwritable(path, e);
        }
    }

    private static SteerException Unwritable(string path, Exception cause) =>
        SteerException.Unwritable(path, cause, "What was committed is safe: mend it and run the same command again.");
}
