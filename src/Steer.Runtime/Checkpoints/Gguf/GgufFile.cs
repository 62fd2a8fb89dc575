namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Where a tensor of a GGUF file lies; its place is checked against the file.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="Type">How its numbers are stored.</param>
/// <param name="Shape">Dimensions, the outermost first (the file has them the other way round).</param>
/// <param name="Offset">First byte in the file.</param>
internal sealed record GgufTensor(string Name, GgufType Type, long[] Shape, long Offset);

/// <summary>A GGUF file, mapped into memory: metadata by keys, and tensors. Safe to read from several threads.</summary>
internal sealed class GgufFile : IDisposable
{
    private const string Extension = ".gguf";

    private GgufFile(MappedFile file)
    {
        Mapped = file;
        (Metadata, IReadOnlyList<GgufTensor> tensors) = GgufHeader.Read(file);
        Tensors = tensors.ToDictionary(t => t.Name);
    }

    /// <summary>As it was given.</summary>
    public string Path => Mapped.Path;

    /// <summary>The file in memory.</summary>
    public MappedFile Mapped { get; }

    /// <summary>Metadata.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The tensors by their names in the file.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors { get; }

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="SteerException">The file is missing or damaged.</exception>
    public static GgufFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new GgufFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The GGUF file that a path stands for: a file of that kind by its name or its first bytes, or the only one of a folder without safetensors.
    /// Null where the path stands for none.
    /// </summary>
    /// <exception cref="SteerException">The folder holds several.</exception>
    public static string? Find(string path)
    {
        if (!Directory.Exists(path))
            return IsNamed(path) || BeginsLikeOne(path) ? path : null;
        string[] files = Files(path);
        string[] found = [.. files.Where(IsNamed)];
        if (found.Length == 0 || files.Any(f => f.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)))
            return null;
        return found is [var only]
            ? only
            : throw FileError.At(path, $"holds {found.Length} .gguf files; give one of them.");
    }

    /// <inheritdoc/>
    public void Dispose() => Mapped.Dispose();

    private static bool IsNamed(string path) => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase);

    private static string[] Files(string folder)
    {
        try
        {
            return Directory.GetFiles(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileError.At(folder, $"cannot be read ({e.Message}); check that you may read it.", e);
        }
    }

    // What cannot be read is told by whoever reads it next.
    private static bool BeginsLikeOne(string path)
    {
        try
        {
            if (!File.Exists(path))
                return false;
            using FileStream stream = GitLfs.OpenRead(path);
            Span<byte> first = stackalloc byte[4];
            return stream.CanSeek && stream.ReadAtLeast(first, first.Length, throwOnEndOfStream: false) == first.Length
                && first.SequenceEqual("GGUF"u8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
