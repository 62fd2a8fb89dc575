using System.Globalization;
using Steer.Kernels;
using Steer.Runtime.Models;

namespace Steer.Runtime.Engine;

/// <summary>
/// How much memory keys and values get: what the options say, or room for a full batch of guided sequences within a quarter of the device.
/// </summary>
internal sealed class CacheBudget
{
    /// <summary>Blocks below which there is no point: one for each branch of a guided text.</summary>
    public const int LeastBlocks = Branches;

    private const int Branches = 3;
    private const int TypicalContext = 2048;
    private readonly EngineOptions _options;
    private readonly long _bytesPerBlock;

    /// <exception cref="SteerException">The options leave room for less than the least.</exception>
    public CacheBudget(EngineOptions options, ModelSet models, long deviceMemory)
    {
        _options = options;
        _bytesPerBlock = models.Shapes.Sum(s => Shape(s, 1).Bytes);
        int window = Math.Min(TypicalContext, models.Shapes.Max(s => s.MaxPositions));
        long wanted = (long)options.MaxBatch * Branches * ((window / KvCacheShape.BlockSize) + 1);
        long affordable = (options.Memory ?? deviceMemory / 4) / _bytesPerBlock;
        long blocks = options.Memory is null ? Math.Min(wanted, affordable) : affordable;
        if (blocks < LeastBlocks)
        {
            throw new SteerException(
                $"Memory for keys and values is too small: {LeastBlocks} blocks take {LeastBlocks * _bytesPerBlock} bytes. Raise --memory.");
        }

        Blocks = (int)Math.Min(blocks, int.MaxValue / KvCacheShape.BlockSize);
    }

    /// <summary>Blocks of the cache of every shape.</summary>
    public int Blocks { get; }

    /// <summary>The cache of a model.</summary>
    public KvCacheShape Shape(DecoderConfig config, int blocks) => _options.KvCacheShape(config.NumLayers, blocks, config.NumKvHeads, config.HeadDim);

    /// <summary>One line that says that the device had room for fewer.</summary>
    public string ShrunkTo(int blocks) => string.Create(
        CultureInfo.InvariantCulture,
        $"the device has no room for {Blocks * _bytesPerBlock / 1e6:0} MB of keys and values: {blocks * _bytesPerBlock / 1e6:0} MB are used, " +
        $"and fewer texts run at once.");
}
