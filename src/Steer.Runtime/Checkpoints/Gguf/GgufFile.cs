namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Where a tensor of a GGUF file lies; its place is checked against the file.</summary>
/// <param name="File">The file.</param>
/// <param name="Name">Name in the file.</param>
/// <param name="Type">How its numbers are stored.</param>
/// <param name="Shape">Dimensions, the outermost first (the file has them the other way round).</param>
/// <param name="Offset">First byte in the file.</param>
internal sealed record GgufTensor(MappedFile File, string Name, GgufType Type, long[] Shape, long Offset);

/// <summary>
/// A GGUF file, or all parts of one that was split, mapped into memory: metadata by keys, and tensors. Safe to read from several threads.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    private const string Extension = ".gguf";

    private readonly List<MappedFile> _files = [];
    private readonly Dictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);

    private GgufFile(string path)
    {
        try
        {
            Path = path;
            (Metadata, IReadOnlyList<GgufTensor> tensors) = Read(path);
            Add(tensors);
            IReadOnlyList<string> others = GgufSplit.OthersOf(path, Metadata);
            for (int place = 1; place <= others.Count; place++)
                AddPart(others[place - 1], place, others.Count + 1);
            if (others.Count > 0)
                GgufSplit.CheckTensors(Metadata, Tensors.Count);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>As it was given: the first one of several parts.</summary>
    public string Path { get; }

    /// <summary>Metadata.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The tensors by their names in the file.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors => _tensors;

    /// <summary>Maps a file, and the others that a first part of a model names, and checks their headers.</summary>
    /// <exception cref="SteerException">A file is missing or damaged, or the file is a part of a model other than the first.</exception>
    public static GgufFile Open(string path) => new(path);

    /// <summary>
    /// The GGUF file that a path stands for: a file of that kind by its name or its first bytes, or the only one of a folder without safetensors,
    /// where all parts of a model count as one. Null where the path stands for none.
    /// </summary>
    /// <exception cref="SteerException">The folder holds several.</exception>
    public static string? Find(string path)
    {
        if (!Directory.Exists(path))
            return IsNamed(path) || BeginsLikeOne(path) ? path : null;
        string[] files = Files(path);
        string[] found = [.. files.Where(IsNamed).Select(GgufSplit.FirstOf).Distinct()];
        if (found.Length == 0 || files.Any(f => f.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)))
            return null;
        return found is [var only]
            ? only
            : throw FileError.At(path, $"holds {found.Length} models in .gguf files; give the file of one of them.");
    }

    /// <inheritdoc/>
    public void Dispose() => _files.ForEach(file => file.Dispose());

    private void AddPart(string path, int place, int count)
    {
        GgufSplit.CheckIsThere(path, place, count);
        (GgufMetadata metadata, IReadOnlyList<GgufTensor> tensors) = Read(path);
        GgufSplit.CheckIsPart(metadata, place, count);
        Add(tensors);
    }

    private (GgufMetadata Metadata, IReadOnlyList<GgufTensor> Tensors) Read(string path)
    {
        MappedFile file = MappedFile.Open(path);
        _files.Add(file);
        return GgufHeader.Read(file);
    }

    private void Add(IEnumerable<GgufTensor> tensors)
    {
        foreach (GgufTensor tensor in tensors)
        {
            if (!_tensors.TryAdd(tensor.Name, tensor))
            {
                throw FileError.At(
                    tensor.File.Path, $"tensor {tensor.Name} is in {_tensors[tensor.Name].File.Path}, too; copy or download all parts again.");
            }
        }
    }

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
