using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>How lanes read tiles of weights and activations from memory, and lay out sums in it.</summary>
internal static class TileMemory
{
    private const int PieceWords = WeightLayout.PieceWords;

    /// <summary>Reads a lane's part of a group of a tile of weights from shared memory, where both views begin at the lane's.</summary>
    public static GroupWeights LoadWeights<TFormat>(TFormat format, ArrayView<uint> words, ArrayView<uint> scales, int group)
        where TFormat : struct, ITileFormat
    {
        int place = group * (format.WeightWords / WeightLayout.GroupsPerStage / PieceWords);
        Words4 more = format.WeightWords > 2 * PieceWords ? Load(words, place + 1) : default;
        return format.Weights(Load(words, place), more, format.HasScales != 0 ? WideMemory.LoadShared(scales, 0) : default, group);
    }

    /// <summary>
    /// Reads a lane's part of a stage of a tile of weights from global memory, where both views begin at the lane's part of the first.
    /// </summary>
    public static StageWeights LoadStage<TFormat>(TFormat format, ArrayView<uint> words, ArrayView<uint> scales, int stage)
        where TFormat : struct, ITileFormat
    {
        int place = stage * format.WeightWords;
        bool halves = format.WeightWords > PieceWords, quarters = format.WeightWords > 2 * PieceWords;
        return new()
        {
            A = WideMemory.LoadConstant(words, place),
            B = halves ? WideMemory.LoadConstant(words, place + PieceWords) : default,
            C = quarters ? WideMemory.LoadConstant(words, place + (2 * PieceWords)) : default,
            D = quarters ? WideMemory.LoadConstant(words, place + (3 * PieceWords)) : default,
            Scales = format.HasScales != 0 ? WideMemory.LoadConstant(scales, stage * StagePlan.WeightScales) : default,
        };
    }

    /// <summary>A group of a stage that was read.</summary>
    public static GroupWeights Weights<TFormat>(TFormat format, StageWeights stage, int group)
        where TFormat : struct, ITileFormat => format.WeightWords > 2 * PieceWords
            ? format.Weights(group == 0 ? stage.A : stage.C, group == 0 ? stage.B : stage.D, default, group)
            : format.Weights(group == 0 || format.WeightWords == PieceWords ? stage.A : stage.B, default, stage.Scales, group);

    /// <summary>
    /// A lane's part of one tile and group, where a lane's words of a group are 16 bytes and <paramref name="words"/> begins at the first.
    /// </summary>
    public static Words4 Load(ArrayView<uint> words, int group) => WideMemory.LoadShared(words, group * PieceWords);

    /// <summary>Reads a lane's part of a group of a tile of activations; where activations are packed, of both groups.</summary>
    public static Words4 LoadRows<TFormat>(TFormat format, ArrayView<uint> words, int group)
        where TFormat : struct, ITileFormat => Load(words, format.Parts == 0 ? 0 : group);

    /// <summary>
    /// Reads a lane's scales of a group of a tile of activations, where <paramref name="scales"/> begins at the lane's; nothing where there are none.
    /// </summary>
    public static Words4 RowScales<TFormat>(TFormat format, ArrayView<uint> scales, int group)
        where TFormat : struct, ITileFormat => format.HasScales == 0
            ? default
            : WideMemory.LoadShared(scales, group * 2 * PackedRows.TileRows);

    /// <summary>Where among the scales of a tile of weights a lane's are.</summary>
    public static int ScaleOf(int lane) => lane & ~3;

    /// <summary>Where among the scales of a tile of activations a lane's are.</summary>
    public static int RowScaleOf(int lane) => 4 * (lane & 3);

    /// <summary>
    /// Lays a lane's sums out as [rows][columns], each row <paramref name="stride"/> words after the one before; its first is at
    /// <paramref name="start"/>.
    /// </summary>
    public static void Put(ArrayView<uint> shared, int start, int stride, Sums4 sums)
    {
        shared[start] = Interop.FloatAsInt(sums.X);
        shared[start + stride] = Interop.FloatAsInt(sums.Y);
        shared[start + 8] = Interop.FloatAsInt(sums.Z);
        shared[start + stride + 8] = Interop.FloatAsInt(sums.W);
    }
}
