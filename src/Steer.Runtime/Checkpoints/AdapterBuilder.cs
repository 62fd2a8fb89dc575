using Steer.Kernels;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints;

/// <summary>Checks an adapter's tensors against its configuration and its base, and makes segments of them.</summary>
internal sealed class AdapterBuilder
{
    private readonly AdapterConfig _config;
    private readonly string _path;
    private readonly Checkpoint _baseCheckpoint;
    private readonly AdapterTensors _stored;
    private readonly SortedSet<int> _ranks = [];

    // New biases of projections whose weights stay: they become part of a segment, so that the packed weight stays shared.
    private readonly Dictionary<string, StoredTensor> _newBiases;

    /// <summary>Checks and builds.</summary>
    /// <param name="config">What the adapter says about itself.</param>
    /// <param name="stored">Its tensors.</param>
    /// <param name="path">Their file, for errors.</param>
    /// <param name="baseCheckpoint">What it changes.</param>
    /// <exception cref="SteerException">The adapter does not fit its configuration or its base.</exception>
    public AdapterBuilder(AdapterConfig config, AdapterTensors stored, string path, Checkpoint baseCheckpoint)
    {
        _config = config;
        _stored = stored;
        _path = path;
        _baseCheckpoint = baseCheckpoint;
        TensorNames names = baseCheckpoint.Plan.Tensors.Names;
        Dictionary<string, ModulePlace> baseModules = ModuleIndex.Of(baseCheckpoint.Tensors, names);
        CheckModules(baseModules);
        Dictionary<string, StoredTensor> replaced = CheckReplaced(baseModules, names);
        _newBiases = replaced
            .Where(r => r.Key.EndsWith(".bias", StringComparison.Ordinal) && baseModules.ContainsKey(ModuleOf(r.Key))
                && !replaced.ContainsKey($"{ModuleOf(r.Key)}.weight"))
            .ToDictionary();

        Tensors = Replace(replaced.Where(r => !_newBiases.ContainsKey(r.Key)).ToDictionary(), baseModules, names);
        foreach ((string module, ModulePlace place) in ModuleIndex.Of(Tensors, names))
        {
            if (place.Role is ModuleRole.Projection or ModuleRole.Head && Segment(module, place) is LoraSegment segment)
            {
                if (!Segments.TryGetValue(place.Linear, out List<LoraSegment>? list))
                    Segments.Add(place.Linear, list = []);
                list.Add(segment);
            }
        }
    }

    /// <summary>The base's tensors with some replaced.</summary>
    public DecoderTensors Tensors { get; }

    /// <summary>Segments by projection, each list in order of columns.</summary>
    public Dictionary<LinearTensors, List<LoraSegment>> Segments { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Modules that get a low-rank change.</summary>
    public IReadOnlyList<string> Modules => [.. _stored.Lora.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Ranks of these changes.</summary>
    public IReadOnlyList<int> Ranks => [.. _ranks];

    private void CheckModules(Dictionary<string, ModulePlace> baseModules)
    {
        foreach ((string module, LoraTensors lora) in _stored.Lora)
        {
            if (!baseModules.TryGetValue(module, out ModulePlace? place))
                throw lora.Any.Error($"adapts {module}, which the base {_baseCheckpoint.Path} does not have; {OtherBase()}");
            if (place.Role is ModuleRole.Embedding or ModuleRole.Mixture)
                throw lora.Any.Error($"adapts {module}, {Unadaptable(place.Role)}");
            if (_config.Targets.AreNamed && !_config.Targets.Contain(module, place.Role))
                throw lora.Any.Error($"adapts {module}, which {_config.File} does not name in target_modules; save the adapter again.");
        }

        if (!_config.Targets.AreNamed)
            return;
        foreach ((string module, ModulePlace place) in baseModules)
        {
            if (_stored.Lora.ContainsKey(module) || !_config.Targets.Contain(module, place.Role))
                continue;
            throw FileError.At(_config.File, place.Role is ModuleRole.Embedding or ModuleRole.Mixture
                ? $"target_modules names {module}, {Unadaptable(place.Role)}"
                : $"target_modules names {module} of the base {_baseCheckpoint.Path}, but {_path} has no tensors for it; {OtherBase()}");
        }
    }

    private static string Unadaptable(ModuleRole role) => role == ModuleRole.Embedding
        ? "an embedding, which is not supported; name it in modules_to_save instead."
        : "a part of a mixture of experts, which is not supported; adapt attention only, or merge the adapter into its base.";

    private string OtherBase() => $"the adapter was made for {_config.BaseName}, give that base.";

    /// <summary>The tensors that replace the base's, without those that repeat it.</summary>
    private Dictionary<string, StoredTensor> CheckReplaced(Dictionary<string, ModulePlace> baseModules, TensorNames names)
    {
        foreach (string saved in _config.ModulesToSave)
        {
            if (!_stored.Replaced.Keys.Any(name => ModuleOf(name).EndsWith(saved, StringComparison.Ordinal)))
                throw FileError.At(_config.File, $"modules_to_save names {saved}, but {_path} has no tensors for it; save the adapter again.");
        }

        var replaced = new Dictionary<string, StoredTensor>();
        foreach ((string name, StoredTensor tensor) in _stored.Replaced)
        {
            string embedding = baseModules.First(m => m.Value.Role == ModuleRole.Embedding).Key;
            bool isTiedHead = name == $"{names.Head}.weight" && !_baseCheckpoint.Stored.ContainsKey(name);
            if (!_baseCheckpoint.Stored.TryGetValue(isTiedHead ? $"{embedding}.weight" : name, out StoredTensor? original))
                throw tensor.Error($"stands in for {name}, which the base {_baseCheckpoint.Path} does not have; {OtherBase()}");
            if (!MayReplace(name, baseModules))
            {
                throw tensor.Error(
                    $"stands in for {name}, which {_config.File} names neither in modules_to_save nor by bias; save the adapter again.");
            }

            IEnumerable<long> shape = original.IsTurned ? original.Shape.Reverse() : original.Shape;
            if (!tensor.Shape.SequenceEqual(shape))
            {
                throw tensor.Error($"has shape {FileError.Shape(tensor.Shape)} where {name} of the base {_baseCheckpoint.Path} has " +
                    $"{FileError.Shape(shape)}; {OtherBase()}");
            }

            if (!tensor.HasSameNumbers(original))
                replaced.Add(name, tensor);
        }

        return replaced;
    }

    // PEFT saves embedding and head, changed or not, where one of them is a target or the vocabulary grew.
    private bool MayReplace(string name, Dictionary<string, ModulePlace> baseModules)
    {
        string module = ModuleOf(name);
        if (_config.ModulesToSave.Exists(saved => module.EndsWith(saved, StringComparison.Ordinal)))
            return true;
        if (baseModules.TryGetValue(module, out ModulePlace? place) && place.Role is ModuleRole.Embedding or ModuleRole.Head)
            return true;
        return name.EndsWith(".bias", StringComparison.Ordinal)
            && (_config.Bias == AdapterBias.All || (_config.Bias == AdapterBias.LoraOnly && _stored.Lora.ContainsKey(module)));
    }

    private static string ModuleOf(string tensorName) => tensorName[..Math.Max(0, tensorName.LastIndexOf('.'))];

    private DecoderTensors Replace(
        Dictionary<string, StoredTensor> replaced, Dictionary<string, ModulePlace> baseModules, TensorNames names)
    {
        if (replaced.Count == 0)
            return _baseCheckpoint.Tensors;
        LinearTensors embedding = _baseCheckpoint.Tensors.Embedding;
        if (_config.KeepsTied && ReferenceEquals(_baseCheckpoint.Tensors.LmHead, embedding)
            && replaced.ContainsKey($"{embedding.Parts[0].Module}.weight"))
            replaced.Remove($"{names.Head}.weight");
        Dictionary<string, LinearTensors> linears = baseModules
            .Where(m => m.Value.ColumnStart == 0)
            .ToDictionary(m => m.Key, m => m.Value.Linear);
        return _baseCheckpoint.MapTensors(new TensorOverlay(replaced, linears, _config.KeepsTied));
    }

    private LoraSegment? Segment(string module, ModulePlace place)
    {
        LinearPart part = place.Part;
        int rows = part.Weight.Rows;
        float[]? bias = part.Bias;
        if (_newBiases.TryGetValue($"{module}.bias", out StoredTensor? newBias))
            bias = Mapped(newBias.ReadFinite(), part.RowMap);
        if (!_stored.Lora.TryGetValue(module, out LoraTensors? lora))
        {
            return Difference(bias, part.Bias, null) is not float[] shift
                ? null
                : new LoraSegment(place.ColumnStart, rows, null, null, ColumnBias: shift);
        }

        (int rank, double scale) = _config.For(module);
        int columns = part.Weight.Columns;
        StoredTensor a = Shaped(lora.A, module, "lora_A.weight", rank, columns);
        StoredTensor b = Shaped(lora.B, module, "lora_B.weight", rows, rank);
        _ranks.Add(rank);

        float[]? columnScale = ColumnScale(module, part, lora, a, b, (float)scale);
        if (lora.BBias is not null && !_config.HasLoraBias)
            throw lora.BBias.Error($"is a bias, but {_config.File} does not set lora_bias; save the adapter again.");
        if (_config.HasLoraBias)
        {
            float[] added = Mapped(Shaped(lora.BBias, module, "lora_B.bias", rows).ReadFinite(), part.RowMap);
            bias = [.. added.Select((x, i) => (bias?[i] ?? 0) + (float)scale * x)];
        }

        float[] rowScales = columnScale is null
            ? [.. Enumerable.Repeat((float)scale, rows)]
            : Array.ConvertAll(columnScale, s => (float)scale * s);
        return new LoraSegment(place.ColumnStart, rows, new StoredMatrix(a, rank, columns),
            new ScaledMatrix(b, rank, part.RowMap, rowScales), columnScale, Difference(bias, part.Bias, columnScale));
    }

    private float[]? ColumnScale(string module, LinearPart part, LoraTensors lora, StoredTensor a, StoredTensor b, float scale)
    {
        if (!_config.UsesDora)
        {
            return lora.Magnitude is null
                ? null
                : throw lora.Magnitude.Error($"belongs to DoRA, but {_config.File} does not set use_dora; save the adapter again.");
        }

        StoredTensor magnitude = Shaped(lora.Magnitude, module, "lora_magnitude_vector", part.Weight.Rows);
        float[] scales = Dora.ColumnScales(part.Weight, a.ReadAll(), b.ReadAll(), magnitude.ReadFinite(), part.RowMap, scale);
        return scales.All(float.IsFinite)
            ? scales
            : throw magnitude.Error("cannot be divided by the norm of its weight, which is zero or no number; the base or the adapter is damaged.");
    }

    // What must be added to columnScale * (W x + oldBias) so that the bias comes out as newBias.
    private static float[]? Difference(float[]? newBias, float[]? oldBias, float[]? columnScale)
    {
        if (newBias is null || (columnScale is null && ReferenceEquals(newBias, oldBias)))
            return null;
        return [.. newBias.Select((x, i) => x - (oldBias?[i] ?? 0) * (columnScale?[i] ?? 1))];
    }

    private StoredTensor Shaped(StoredTensor? tensor, string module, string what, params long[] shape)
    {
        if (tensor is null)
            throw FileError.At(_path, $"{what} of {module} is missing; save the adapter again.");
        if (!tensor.Shape.SequenceEqual(shape))
        {
            throw tensor.Error($"has shape {FileError.Shape(tensor.Shape)} where {FileError.Shape(shape)} fits {module} of the base " +
                $"{_baseCheckpoint.Path} and the rank in {_config.File}; {OtherBase()}");
        }

        return tensor;
    }

    private static float[] Mapped(float[] numbers, int[]? rowMap) =>
        rowMap is null ? numbers : Array.ConvertAll(rowMap, row => numbers[row]);
}
