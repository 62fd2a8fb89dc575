using System.Globalization;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>The tensors of a model's GGUF file as its Hugging Face folder holds them.</summary>
internal sealed class GgufTensors
{
    // Frequencies, which GgufRope reads or the engine makes itself.
    private static readonly string[] Frequencies = [.. GgufRope.Tensors, "attn_rot_embd.weight"];

    private readonly DecoderConfig _config;
    private readonly GgufNames _names;
    private readonly GgufLayout _layout;
    private readonly List<StoredTensor> _tensors = [];

    private GgufTensors(ModelPlan plan, GgufNames names, GgufLayout layout)
    {
        _config = plan.Config;
        _names = names;
        _layout = layout;
    }

    /// <summary>All tensors. One that has no place in the family keeps its name.</summary>
    /// <exception cref="SteerException">Two tensors are the same.</exception>
    public static List<StoredTensor> Of(GgufFile file, ModelPlan plan, GgufNames names, GgufLayout layout)
    {
        var tensors = new GgufTensors(plan, names, layout);
        foreach (GgufTensor stored in file.Tensors.Values)
        {
            if (!Frequencies.Any(name => stored.Name.EndsWith(name, StringComparison.Ordinal)))
                tensors.Add(stored);
        }

        if (tensors._tensors.GroupBy(t => t.Name).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw twice.First().Error("is there twice under two names; convert the model again.");
        return tensors._tensors;
    }

    private void Add(GgufTensor stored)
    {
        int dot = stored.Name.LastIndexOf('.');
        string module = stored.Name[..Math.Max(0, dot)], suffix = stored.Name[Math.Max(0, dot)..];
        bool isOfLayer = GgufNames.IsOfLayer(module, out int layer, out string name);
        if (_names.ToHuggingFace(module) is { } huggingFace)
            Add(stored, huggingFace + suffix, isOfLayer ? name : module, isWeight: suffix == ".weight");
        else if (!isOfLayer || !(AddExperts(stored, layer, name, suffix) || AddQkv(stored, layer, name, suffix)))
            Add(stored, stored.Name, "", isWeight: false);
    }

    private void Add(GgufTensor stored, string name, string module, bool isWeight) => _tensors.Add(
        new BlockTensor(name, stored, stored.Shape, _layout.RowMap(module, stored.Shape[0]))
        {
            Shift = isWeight ? _layout.Shift(module) : 0,
            Turned = isWeight && _layout.IsTurned(module),
        });

    // All experts in one tensor [experts, rows, columns], or, in older files, each in its own.
    private bool AddExperts(GgufTensor stored, int layer, string name, string suffix)
    {
        if (name.EndsWith("_exps", StringComparison.Ordinal) && stored.Shape.Length == 3 && _names.Expert(layer, name[..^5], 0) is not null)
        {
            for (int expert = 0; expert < stored.Shape[0]; expert++)
                AddRows(stored, _names.Expert(layer, name[..^5], expert) + suffix, expert * stored.Shape[1], stored.Shape[1..]);
            return true;
        }

        if (name.Split('.') is not [var kind, var number] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int own)
            || _names.Expert(layer, kind, own) is not { } ofExpert)
            return false;
        Add(stored, ofExpert + suffix, "", isWeight: true);
        return true;
    }

    // Query, key and value in one tensor where the family has three.
    private bool AddQkv(GgufTensor stored, int layer, string name, string suffix)
    {
        int queries = _config.NumHeads * _config.HeadDim, keys = _config.NumKvHeads * _config.HeadDim;
        // A bias in blocks, which no converter writes, could not be cut between them.
        bool cuts = stored.Shape.Length > 1 || stored.Type.BlockLength() == 1;
        if (name != "attn_qkv" || stored.Shape[0] != queries + 2L * keys || !cuts)
            return false;
        IReadOnlyList<string> names = _names.Qkv(layer);
        AddRows(stored, names[0] + suffix, 0, [queries, .. stored.Shape[1..]], _layout.RowMap("attn_q", queries));
        AddRows(stored, names[1] + suffix, queries, [keys, .. stored.Shape[1..]], _layout.RowMap("attn_k", keys));
        AddRows(stored, names[2] + suffix, queries + keys, [keys, .. stored.Shape[1..]]);
        return true;
    }

    private void AddRows(GgufTensor stored, string name, long firstRow, long[] shape, int[]? rowMap = null)
    {
        long columns = stored.Shape.Length == 1 ? 1 : stored.Shape[^1];
        GgufTensor rows = stored with { Offset = stored.Offset + stored.Type.Bytes(firstRow * columns) };
        _tensors.Add(new BlockTensor(name, rows, shape, rowMap));
    }
}
