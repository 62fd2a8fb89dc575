namespace Steer.Kernels;

/// <summary>
/// The metadata of one forward pass. A row is one token of one context (a branch of a sequence); rows of a context are
/// neighbours and in order of position. Row r attends to positions 0 .. Positions[r] of its context.
/// </summary>
public sealed class ForwardBatch : IDisposable
{
    private readonly DeviceMemory _memory;

    /// <summary>Allocates room for a batch.</summary>
    /// <param name="device">Where the arrays live.</param>
    /// <param name="maxRows">Most rows of a batch.</param>
    /// <param name="maxContexts">Most contexts of a batch.</param>
    /// <param name="maxBlocks">Most blocks of one context.</param>
    public ForwardBatch(Device device, int maxRows, int maxContexts, int maxBlocks)
    {
        _memory = new DeviceMemory(device);
        BlockTableStride = maxBlocks;
        TokenIds = _memory.Allocate<int>(maxRows);
        Positions = _memory.Allocate<int>(maxRows);
        SlotMapping = _memory.Allocate<int>(maxRows);
        RowContext = _memory.Allocate<int>(maxRows);
        ContextStarts = _memory.Allocate<int>(maxContexts + 1);
        BlockTables = _memory.Allocate<int>((long)maxContexts * maxBlocks);
        LogitRows = _memory.Allocate<int>(maxRows);
        RowSequence = _memory.Allocate<int>(maxRows);
    }

    /// <summary>Elements between the block tables of two contexts in this pass; at most the most blocks of one context.</summary>
    public int BlockTableStride { get; set; }

    /// <summary>Rows in this pass.</summary>
    public int Rows { get; set; }

    /// <summary>Contexts in this pass.</summary>
    public int Contexts { get; set; }

    /// <summary>Token of each row [rows].</summary>
    public DeviceBuffer<int> TokenIds { get; }

    /// <summary>Position of each row in its context, from 0 [rows].</summary>
    public DeviceBuffer<int> Positions { get; }

    /// <summary>Where each row's key and value go: block * BlockSize + offset in block [rows].</summary>
    public DeviceBuffer<int> SlotMapping { get; }

    /// <summary>Context of each row [rows].</summary>
    public DeviceBuffer<int> RowContext { get; }

    /// <summary>First row of each context, and the number of rows at the end [contexts + 1].</summary>
    public DeviceBuffer<int> ContextStarts { get; }

    /// <summary>Blocks of each context in order of position [contexts, BlockTableStride].</summary>
    public DeviceBuffer<int> BlockTables { get; }

    /// <summary>Rows whose logits are wanted, ascending [logit rows].</summary>
    public DeviceBuffer<int> LogitRows { get; }

    /// <summary>Guided sequence of each row [rows]; read by <see cref="Device.Advance"/> alone.</summary>
    public DeviceBuffer<int> RowSequence { get; }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
