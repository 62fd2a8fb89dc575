using Steer.Kernels;
using Steer.Runtime.Models;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// What llama.cpp's converter changes in a family's tensors, to be undone where they are read: the order of rows of query and key, norms that count
/// from 1, and GPT-2's projections turned.
/// </summary>
internal sealed class GgufLayout
{
    // Rotated as neighbours by llama.cpp, and as halves by transformers.
    private static readonly string[] Permuted = ["llama", "granite", "smollm3"];

    private readonly DecoderConfig _config;
    private readonly TensorPlan _plan;
    private readonly bool _isPermuted;
    private int[]? _stacked;

    /// <summary>The layout of an architecture, as general.architecture names it.</summary>
    public GgufLayout(string architecture, ModelPlan plan)
    {
        _config = plan.Config;
        _plan = plan.Tensors;
        _isPermuted = IsPermuted(architecture) && _config.RopeLayout != RopeLayout.Interleaved;
    }

    /// <summary>Whether rows of query and key stand in another order.</summary>
    public static bool IsPermuted(string architecture) => Permuted.Contains(architecture);

    /// <summary>
    /// Stored row of each row of a module's weight, of its bias, and of what an adapter adds to them; null where they are the same.
    /// </summary>
    /// <param name="module">Name in the layer, such as attn_q.</param>
    /// <param name="rows">Its rows; a number that does not fit is left to the check of shapes.</param>
    public int[]? RowMap(string module, long rows)
    {
        int headDim = _config.HeadDim;
        if (module is "attn_q" or "attn_k")
            return _isPermuted && headDim % 2 == 0 && rows % headDim == 0 && rows <= int.MaxValue ? Rotated((int)rows, headDim) : null;
        if (module != "attn_qkv" || _plan.QkvOrder != QkvOrder.ByKvHead || _plan.Names.Qkv.Length != 1)
            return null;
        return rows == ((long)_config.NumHeads + 2 * _config.NumKvHeads) * headDim ? _stacked ??= StackedRows() : null;
    }

    /// <summary>What is to be added to the numbers of a module.</summary>
    public float Shift(string module) => module.EndsWith("norm", StringComparison.Ordinal) ? -_plan.NormOffset : 0;

    /// <summary>Whether the rows of a module's weight are the columns of the tensor in a Hugging Face folder.</summary>
    public bool IsTurned(string module) => _plan.Transposed && module is "attn_qkv" or "attn_output" or "ffn_up" or "ffn_down";

    // Row i of a head's first half stands at place 2 i, row i of its second half behind it.
    private static int[] Rotated(int rows, int headDim)
    {
        var map = new int[rows];
        for (int row = 0; row < rows; row++)
        {
            int place = row % headDim, half = headDim / 2;
            map[row] = row - place + place % half * 2 + place / half;
        }

        return map;
    }

    // Stored: all queries, all keys, all values. Wanted: for each key head its queries, the key, the value.
    private int[] StackedRows()
    {
        int headDim = _config.HeadDim, heads = _config.NumHeads, kvHeads = _config.NumKvHeads, queries = heads / kvHeads;
        var map = new List<int>();
        for (int kvHead = 0; kvHead < kvHeads; kvHead++)
        {
            for (int slot = 0; slot < queries + 2; slot++)
            {
                int head = slot < queries ? kvHead * queries + slot : heads + (slot - queries) * kvHeads + kvHead;
                map.AddRange(Enumerable.Range(head * headDim, headDim));
            }
        }

        return [.. map];
    }
}
