using Steer.Kernels;
using Steer.Kernels.Host;
using Steer.Runtime.Models;

namespace Steer.Runtime.Tests.Models;

/// <summary>One forward pass of one context, without an engine.</summary>
internal static class DecoderRun
{
    /// <summary>Logits of every position [tokens * vocab].</summary>
    public static float[] Logits(DecoderConfig config, DecoderTensors tensors, int[] ids)
    {
        int rows = ids.Length, blocks = rows / KvCacheShape.BlockSize + 1;
        using var device = new HostDevice();
        using var store = new WeightStore(device, _ => DType.F32);
        using var decoder = new Decoder(device, config, rows, rows, 1);
        using var batch = new ForwardBatch(device, rows, 1, blocks) { Rows = rows, Contexts = 1 };
        using var cache = device.CreateKvCache(new KvCacheShape(config.NumLayers, blocks, config.NumKvHeads, config.HeadDim));
        using var logits = device.Allocate<float>((long)rows * config.VocabSize);
        int[] positions = [.. Enumerable.Range(0, rows)];
        batch.TokenIds.Upload(ids);
        batch.Positions.Upload(positions);
        batch.SlotMapping.Upload(positions);
        batch.LogitRows.Upload(positions);
        batch.ContextStarts.Upload([0, rows]);
        batch.BlockTables.Upload([.. Enumerable.Range(0, blocks)]);

        VariantRows[] all = [new VariantRows(store.Load(tensors, null, "test"), 0, rows)];
        decoder.Forward(batch, all, all, cache, new Tensor(logits, rows, config.VocabSize));
        var values = new float[logits.Length];
        logits.Download(values);
        return values;
    }
}
