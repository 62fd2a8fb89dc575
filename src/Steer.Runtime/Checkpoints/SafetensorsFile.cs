namespace Steer.Runtime.Checkpoints;

/// <summary>A safetensors file, mapped into memory. Safe to read from several threads.</summary>
public sealed class SafetensorsFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, StoredTensor> _tensors;

    private SafetensorsFile(MappedFile file, Dictionary<string, StoredTensor> tensors)
    {
        _file = file;
        _tensors = tensors;
    }

    /// <summary>As it was given.</summary>
    public string Path => _file.Path;

    /// <summary>Names of the tensors, in the order of the header.</summary>
    public IReadOnlyCollection<string> Names => _tensors.Keys;

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Tensors => _tensors;

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="SteerException">The file is missing or damaged.</exception>
    public static SafetensorsFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new SafetensorsFile(file, SafetensorsHeader.Read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>A tensor by name.</summary>
    /// <exception cref="SteerException">The file has no such tensor.</exception>
    public StoredTensor Tensor(string name) => _tensors.TryGetValue(name, out StoredTensor? tensor)
        ? tensor
        : throw FileError.At(Path, $"tensor {name} is missing; check that this is the right file.");

    /// <summary>The numbers of an F32, F16 or BF16 tensor in row-major order.</summary>
    /// <exception cref="SteerException">There is no such tensor, or it is of another type.</exception>
    public float[] ReadFloats(string name) => Tensor(name).ReadAll();

    /// <summary>The numbers of an I64 or I32 tensor in row-major order.</summary>
    /// <exception cref="SteerException">There is no such tensor, or it is of another type.</exception>
    public long[] ReadIntegers(string name) => Tensor(name).ReadIntegers();

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
