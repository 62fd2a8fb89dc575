using System.Buffers;
using System.Text.Json.Nodes;

namespace Steer.Runtime.Datasets;

/// <summary>What to do with a folder that holds a job already.</summary>
public enum ResumeMode
{
    /// <summary>Go on with it where there is one, else begin.</summary>
    IfPossible,

    /// <summary>Go on with it, and never begin anew.</summary>
    Always,

    /// <summary>Begin, and never in a folder that holds a job.</summary>
    Never,
}

/// <summary>
/// The files of a job, held by one process at a time. Lines are gathered by <see cref="Append"/> and are on disk when <see cref="Commit()"/>
/// returns; a process that ends in between leaves a part of them, which the next one cuts off and makes again.
/// </summary>
internal sealed class DatasetFolder : IDisposable
{
    public const string ManifestName = "manifest.json";
    public const string ExamplesName = "examples.jsonl";
    public const string RejectedName = "rejected.jsonl";
    public const string ProgressName = "progress.json";
    private const string LockName = ".lock";

    private readonly FileStream _lock;
    private readonly ArrayBufferWriter<byte> _newExamples = new();
    private readonly ArrayBufferWriter<byte> _newRejected = new();
    private FileStream? _examples;
    private FileStream? _rejected;
    private bool _broken;

    private DatasetFolder(string path, FileStream theLock) => (Path, _lock) = (path, theLock);

    public string Path { get; }

    public string Examples => In(ExamplesName);

    public string Rejected => In(RejectedName);

    /// <summary>Makes or opens the folder, takes its lock, and writes the manifest or compares it with the one that is there.</summary>
    /// <exception cref="SteerException">Another process holds it, it cannot be written, or it holds another job.</exception>
    public static DatasetFolder Open(string path, ResumeMode resume, JsonObject manifest)
    {
        var folder = new DatasetFolder(path, Lock(path));
        try
        {
            string file = folder.In(ManifestName);
            if (File.Exists(file))
            {
                if (resume == ResumeMode.Never)
                    throw new SteerException($"{path}: holds a job already. Give another folder, or --resume if-possible to go on with it.");
                var differences = DatasetManifest.Differences(DatasetManifest.Read(file), manifest);
                if (differences.Count > 0)
                    throw new SteerException($"{path}: holds another job; what differs: {string.Join("; ", differences)}. Give the same options, or another folder.");
            }
            else if (resume == ResumeMode.Always)
            {
                throw new SteerException($"{path}: holds no job to go on with. Give its folder, or --resume if-possible to begin.");
            }
            else if (File.Exists(folder.Examples) || File.Exists(folder.Rejected))
            {
                throw new SteerException($"{path}: holds examples but no {ManifestName}. Give another folder.");
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

    /// <summary>Cuts both files to their good parts and opens them to append.</summary>
    /// <exception cref="SteerException">They cannot be written.</exception>
    public void OpenLines(long examples, long rejected) => Guard(Path, () =>
    {
        _examples = OpenAt(Examples, examples);
        _rejected = OpenAt(Rejected, rejected);
    });

    /// <summary>Gathers a line.</summary>
    public void Append(DatasetExample example, bool tokenIds) =>
        DatasetLine.Write(example, tokenIds, example.Rejection is null ? _newExamples : _newRejected);

    /// <summary>Brings the gathered lines to the disk.</summary>
    /// <exception cref="SteerException">The disk is full, or the like; what was committed before is safe.</exception>
    public void Commit()
    {
        Commit(_rejected!, _newRejected, Rejected);
        Commit(_examples!, _newExamples, Examples);
    }

    /// <summary>Writes a file as a whole: it is there in its old or its new form at any moment. After a failed commit it stays as it is.</summary>
    /// <exception cref="SteerException">It cannot be written.</exception>
    public void Replace(string name, ReadOnlyMemory<byte> content, bool flush) => Guard(In(name), () =>
    {
        if (_broken)
            return;
        string temporary = In(name + ".tmp");
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
        _examples?.Dispose();
        _rejected?.Dispose();
        _lock.Dispose();
    }

    private void Commit(FileStream stream, ArrayBufferWriter<byte> lines, string path)
    {
        // After a failed write the end of a file is not known any more; the next process mends it.
        if (lines.WrittenCount == 0 || _broken)
            return;
        _broken = true;
        Guard(path, () =>
        {
            stream.Write(lines.WrittenSpan);
            stream.Flush(flushToDisk: true);
        });
        lines.ResetWrittenCount();
        _broken = false;
    }

    private static FileStream Lock(string path)
    {
        Guard(path, () => Directory.CreateDirectory(path));
        try
        {
            return new FileStream(System.IO.Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (UnauthorizedAccessException e)
        {
            throw Unwritable(path, e);
        }
        catch (IOException e)
        {
            throw new SteerException($"{path}: another process is at work in it. Wait for its end, or give another folder.", e);
        }
    }

    private static FileStream OpenAt(string path, long length)
    {
        var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, bufferSize: 0);
        if (stream.Length != length)
            stream.SetLength(length);
        stream.Seek(0, SeekOrigin.End);
        return stream;
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

    private static SteerException Unwritable(string path, Exception cause) => new(
        $"{path}: cannot be written ({cause.Message.ReplaceLineEndings(" ")}). What was committed is safe: mend it and run the same command again.", cause);

    private string In(string name) => System.IO.Path.Combine(Path, name);
}
