namespace Steer.Runtime.Models.Families;

/// <summary>What a projection does in a decoder, as far as adapters care.</summary>
internal enum ModuleRole
{
    /// <summary>Of attention or a feed-forward block.</summary>
    Projection,

    /// <summary>Token or position embedding.</summary>
    Embedding,

    /// <summary>Router or expert of a mixture.</summary>
    Mixture,

    /// <summary>The output.</summary>
    Head,
}

/// <summary>Where a module's rows are in the decoder.</summary>
/// <param name="Linear">The projection that holds them.</param>
/// <param name="ColumnStart">Output columns of the projection before the module's.</param>
/// <param name="Part">The module.</param>
/// <param name="Role">What it does.</param>
internal sealed record ModulePlace(LinearTensors Linear, int ColumnStart, LinearPart Part, ModuleRole Role);

/// <summary>The projections of a decoder by the names of their modules.</summary>
internal static class ModuleIndex
{
    /// <summary>Every module. A head that is tied to the embedding is listed under its own name too.</summary>
    public static Dictionary<string, ModulePlace> Of(DecoderTensors tensors, TensorNames names)
    {
        var index = new Dictionary<string, ModulePlace>();
        Add(tensors.Embedding, ModuleRole.Embedding);
        Add(tensors.PositionEmbedding, ModuleRole.Embedding);
        foreach (LayerTensors layer in tensors.Layers)
        {
            Add(layer.Qkv, ModuleRole.Projection);
            Add(layer.Output, ModuleRole.Projection);
            Add(layer.Up, ModuleRole.Projection);
            Add(layer.Down, ModuleRole.Projection);
            foreach (LinearTensors? linear in (IEnumerable<LinearTensors?>)[layer.Router, .. layer.ExpertUp, .. layer.ExpertDown])
                Add(linear, ModuleRole.Mixture);
        }

        index[names.Head] = new ModulePlace(tensors.LmHead, 0, tensors.LmHead.Parts[0], ModuleRole.Head);
        return index;

        void Add(LinearTensors? linear, ModuleRole role)
        {
            int start = 0;
            foreach (LinearPart part in linear?.Parts ?? [])
            {
                index.Add(part.Module, new ModulePlace(linear!, start, part, role));
                start += part.Weight.Rows;
            }
        }
    }
}
