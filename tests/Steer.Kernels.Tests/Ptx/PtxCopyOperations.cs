using System.Globalization;
using System.Numerics;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>cp.async: begins to copy 4, 8 or 16 bytes from global to shared memory; a source that is shorter is followed by zeros.</summary>
internal sealed unsafe class CopyOperation : PtxOperation
{
    private readonly PtxAddress _target;
    private readonly PtxAddress _source;
    private readonly int _bytes;
    private readonly int _sourceBytes = -1;

    public CopyOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        _target = new PtxAddress(statement.Operands[0], Read);
        _source = new PtxAddress(statement.Operands[1], Read);
        _bytes = int.Parse(statement.Operands[2], CultureInfo.InvariantCulture);
        if (statement.Operands.Count > 3)
            _sourceBytes = Source(3, 4);
        if (_bytes != 16 && (_bytes is not (4 or 8) || statement.Mnemonic.Contains(".cg", StringComparison.Ordinal)))
            throw new FormatException($"line {statement.Line}: {statement}: no copy is of that size");
    }

    public override void Execute(PtxWarp warp)
    {
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            int sourceBytes = _sourceBytes < 0 ? _bytes : (int)warp.Unit<uint>(_sourceBytes)[lane];
            warp.BeginCopy(lane, _target[warp, lane], _source[warp, lane], _bytes, sourceBytes);
        }
    }
}

/// <summary>prefetch.global.L2: what is there is of no matter, but something must be.</summary>
internal sealed class PrefetchOperation : PtxOperation
{
    private readonly PtxAddress _source;

    public PrefetchOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        if (statement.Mnemonic != "prefetch.global.L2")
            throw new FormatException($"line {statement.Line}: {statement}: no such prefetch is known here");
        _source = new PtxAddress(statement.Operands[0], Read);
    }

    public override void Execute(PtxWarp warp)
    {
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            warp.Prefetch(lane, _source[warp, lane]);
        }
    }
}

/// <summary>cp.async.commit_group, cp.async.wait_group and cp.async.wait_all.</summary>
internal sealed class CopyStageOperation(PtxStatement statement, PtxFrame frame) : PtxOperation(statement, frame)
{
    private readonly bool _commit = statement.Mnemonic == "cp.async.commit_group";
    private readonly int _pending = statement.Operands.Count > 0 ? int.Parse(statement.Operands[0], CultureInfo.InvariantCulture) : -1;

    public override void Execute(PtxWarp warp)
    {
        if (_commit)
            warp.EndStage();
        else
            warp.FinishCopies(_pending);
    }
}
