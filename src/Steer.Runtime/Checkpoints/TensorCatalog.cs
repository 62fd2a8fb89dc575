namespace Steer.Runtime.Checkpoints;

/// <summary>The tensors of a checkpoint by name, from one file or several.</summary>
internal sealed class TensorCatalog : IDisposable
{
    private const string ConfigFile = "config.json";
    private const string SingleFile = "model.safetensors";
    private const string IndexFile = "model.safetensors.index.json";

    private readonly List<IDisposable> _files = [];

    private TensorCatalog(string path) => Path = path;

    /// <summary>A catalog of tensors in a file that is not safetensors; takes over the file.</summary>
    public TensorCatalog(string path, IDisposable file, IEnumerable<StoredTensor> tensors)
    {
        Path = path;
        _files.Add(file);
        Tensors = tensors.ToDictionary(t => t.Name);
    }

    /// <summary>The folder or file, for errors.</summary>
    public string Path { get; }

    /// <summary>What a tensor is called in its file, for errors; the names of this catalog are those of a Hugging Face folder.</summary>
    public Func<string, string> NameInFile { get; init; } = name => name;

    /// <summary>What describes the model, for errors.</summary>
    public string Configuration { get; init; } = ConfigFile;

    /// <summary>The tensors by their names.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors { get; private set; } = new Dictionary<string, StoredTensor>();

    /// <summary>Numbers in all tensors.</summary>
    public long Count => Tensors.Values.Sum(t => t.Count);

    /// <summary>Opens the safetensors file, or the shards, of a Hugging Face folder.</summary>
    /// <exception cref="SteerException">A file is missing or damaged.</exception>
    public static TensorCatalog OpenFolder(string folder)
    {
        var catalog = new TensorCatalog(folder);
        try
        {
            string single = System.IO.Path.Combine(folder, SingleFile);
            string index = System.IO.Path.Combine(folder, IndexFile);
            if (File.Exists(single))
                catalog.Tensors = catalog.OpenFile(single).Tensors;
            else if (File.Exists(index))
                catalog.Tensors = catalog.OpenShards(folder, index);
            else
                throw FileError.At(folder, $"holds neither {SingleFile} nor {IndexFile}; save the model with safe_serialization=True.");
            return catalog;
        }
        catch
        {
            catalog.Dispose();
            throw;
        }
    }

    /// <summary>An error: a tensor is not there.</summary>
    public SteerException Missing(string name) => FileError.At(Path, $"tensor {NameInFile(name)} is missing; {(Configuration == ConfigFile
        ? "check that config.json belongs to these weights and that no shard is missing." : "copy or download the file again.")}");

    /// <summary>An error: tensors are there that were not asked for.</summary>
    public SteerException LeftOver(string name, int others, string architecture) => Tensors[name].Error(
        $"and {others} others have no place in {architecture} as {Configuration} describes it; check that {Configuration} belongs to these weights.");

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable file in _files)
            file.Dispose();
    }

    private SafetensorsFile OpenFile(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        _files.Add(file);
        return file;
    }

    private Dictionary<string, StoredTensor> OpenShards(string folder, string indexPath)
    {
        ConfigFields weightMap = ConfigFields.ReadFile(indexPath).ObjectOrNull("weight_map")
            ?? throw FileError.At(indexPath, "lacks weight_map; copy or download it again.");
        var shards = new Dictionary<string, SafetensorsFile>();
        var tensors = new Dictionary<string, StoredTensor>();
        foreach ((string name, string shardName) in weightMap.TextFields())
        {
            if (!shards.TryGetValue(shardName, out SafetensorsFile? shard))
            {
                CheckPlainName(indexPath, name, shardName);
                shard = OpenFile(System.IO.Path.Combine(folder, shardName));
                shards.Add(shardName, shard);
            }

            if (!shard.Tensors.TryGetValue(name, out StoredTensor? tensor))
                throw FileError.At(indexPath, $"says that tensor {name} lies in {shardName}, which does not hold it; copy or download both again.");
            if (!tensors.TryAdd(name, tensor))
                throw FileError.At(indexPath, $"names tensor {name} twice; copy or download it again.");
        }

        return tensors;
    }

    // A name with a folder in it could reach any file of the machine.
    private static void CheckPlainName(string indexPath, string tensor, string shard)
    {
        if (!shard.EndsWith(".safetensors", StringComparison.Ordinal) || shard.AsSpan().ContainsAny("/\\:\0"))
        {
            throw FileError.At(
                indexPath, $"places tensor {tensor} in \"{shard}\", which is no safetensors file beside it; copy or download it again.");
        }
    }
}
