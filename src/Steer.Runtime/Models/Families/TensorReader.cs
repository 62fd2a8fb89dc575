using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>A projection as it should be stored.</summary>
/// <param name="Module">Name without ".weight".</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="Bias">It has a bias.</param>
/// <param name="Transposed">It is stored [columns, rows].</param>
/// <param name="FirstRow">Stored rows before the first one.</param>
/// <param name="RowMap">Gives the stored row of each row, once the shape is known to be right; or null where they are the same.</param>
internal sealed record StoredLinear(
    string Module, int Rows, int Columns, bool Bias = false, bool Transposed = false, int FirstRow = 0, Func<int[]>? RowMap = null);

/// <summary>What an adapter puts in place of a checkpoint's tensors.</summary>
/// <param name="Tensors">The new tensors by their full names.</param>
/// <param name="Linears">The checkpoint's projections by their first module, used again where nothing in them changes.</param>
/// <param name="KeepsTied">A head tied to the embedding follows a new embedding; otherwise it keeps the old one.</param>
internal sealed record TensorOverlay(
    IReadOnlyDictionary<string, StoredTensor> Tensors, IReadOnlyDictionary<string, LinearTensors> Linears, bool KeepsTied);

/// <summary>Finds the tensors of a checkpoint by name, checks their shapes, and knows at the end which are left over.</summary>
internal sealed class TensorReader
{
    // Buffers that some versions of transformers saved with the weights: masks and rotary tables, which the engine makes itself.
    private static readonly string[] BufferSuffixes =
    [
        ".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq",
    ];

    private readonly TensorCatalog _catalog;
    private readonly TensorOverlay? _overlay;
    private readonly string _missingPrefix;
    private readonly HashSet<string> _left;
    private readonly Dictionary<string, StoredTensor> _taken = [];

    /// <summary>Reads from a catalog, where an overlay does not replace.</summary>
    public TensorReader(TensorCatalog catalog, TensorPlan plan, TensorOverlay? overlay)
    {
        _catalog = catalog;
        _overlay = overlay;
        _left = [.. catalog.Tensors.Keys];
        string embedding = $"{plan.Names.Embedding}.weight";
        bool savedWithoutHead = !catalog.Tensors.ContainsKey(plan.Names.Prefix + embedding) && catalog.Tensors.ContainsKey(embedding);
        _missingPrefix = savedWithoutHead ? plan.Names.Prefix : "";
    }

    /// <summary>Stored tensors read so far, by their full names.</summary>
    public IReadOnlyDictionary<string, StoredTensor> Taken => _taken;

    /// <summary>Whether an adapter replaces the tensor.</summary>
    public bool IsReplaced(string name) => _overlay is not null && _overlay.Tensors.ContainsKey(name);

    /// <summary>The checkpoint's own projection in place of one that an adapter replaced, unless tied ones stay tied.</summary>
    public LinearTensors Unchanged(LinearTensors linear) =>
        _overlay is null or { KeepsTied: true } ? linear : _overlay.Linears[linear.Parts[0].Module];

    /// <summary>A projection of one or several stored ones.</summary>
    public LinearTensors Linear(params ReadOnlySpan<StoredLinear> parts)
    {
        var read = new List<LinearPart>();
        bool replaced = false;
        foreach (StoredLinear part in parts)
        {
            read.Add(Part(part));
            replaced |= IsReplaced($"{part.Module}.weight") || IsReplaced($"{part.Module}.bias");
        }

        return _overlay is not null && !replaced ? _overlay.Linears[parts[0].Module] : new LinearTensors(read);
    }

    /// <summary>The numbers of a small tensor.</summary>
    /// <exception cref="SteerException">It is missing, of another shape, or holds what is no finite number.</exception>
    public float[] Numbers(string name, params ReadOnlySpan<long> shape)
    {
        StoredTensor tensor = Take(name);
        tensor.CheckShape(shape);
        return tensor.ReadFinite();
    }

    /// <summary>Leaves a tensor aside, if there is one of that name.</summary>
    public void Ignore(string name) => _left.Remove(name);

    /// <summary>Throws if the checkpoint holds weights that were not asked for.</summary>
    public void RefuseLeftOver(string architecture)
    {
        List<string> unknown =
            [.. _left.Where(name => !BufferSuffixes.Any(suffix => name.EndsWith(suffix, StringComparison.Ordinal))).Order(StringComparer.Ordinal)];
        if (unknown.Count > 0)
            throw _catalog.LeftOver(unknown[0], unknown.Count - 1, architecture);
    }

    private LinearPart Part(StoredLinear part)
    {
        StoredTensor tensor = Take($"{part.Module}.weight");
        tensor.CheckIsWeight();
        bool transposed = part.Transposed && !tensor.IsTurned;
        if (transposed)
            tensor.CheckShape(part.Columns, part.Rows);
        else
            tensor.CheckShape((long)part.FirstRow + part.Rows, part.Columns);

        float[]? bias = part.Bias ? Numbers($"{part.Module}.bias", part.Rows) : null;
        if (part.RowMap is null)
        {
            WeightMatrix weight = transposed
                ? new TransposedMatrix(tensor, part.Rows, part.Columns)
                : new StoredMatrix(tensor, part.Rows, part.Columns, part.FirstRow);
            return new LinearPart(part.Module, weight, bias);
        }

        int[] rowMap = part.RowMap();
        return new LinearPart(part.Module, new StoredMatrix(tensor, part.Columns, rowMap),
            bias is null ? null : Array.ConvertAll(rowMap, row => bias[row]), rowMap);
    }

    private StoredTensor Take(string name)
    {
        if (_overlay is not null && _overlay.Tensors.TryGetValue(name, out StoredTensor? tensor))
        {
            _left.Remove(StoredName(name));
        }
        else
        {
            if (!_catalog.Tensors.TryGetValue(StoredName(name), out tensor))
                throw _catalog.Missing(name);

            if (!_left.Remove(StoredName(name)))
                throw new InvalidOperationException($"The plan asks for {name} twice.");
        }

        _taken.Add(name, tensor);
        return tensor;
    }

    private string StoredName(string name) =>
        _missingPrefix.Length > 0 && name.StartsWith(_missingPrefix, StringComparison.Ordinal) ? name[_missingPrefix.Length..] : name;
}
