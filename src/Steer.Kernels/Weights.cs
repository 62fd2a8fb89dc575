namespace Steer.Kernels;

/// <summary>A matrix that a device packs at load: read row by row as float32, whatever its source stores.</summary>
/// <remarks>Implementations read a checkpoint's tensor, a slice, or a transpose of one. Safe to read from several threads.</remarks>
public abstract class WeightMatrix(int rows, int columns)
{
    /// <summary>Output features n.</summary>
    public int Rows { get; } = rows;

    /// <summary>Input features k.</summary>
    public int Columns { get; } = columns;

    /// <summary>
    /// The type in which to hold its numbers where none is asked for: the smallest that holds them exactly, or loses little beside what they lost
    /// before.
    /// </summary>
    public virtual DType DefaultType => DType.F32;

    /// <summary>Writes row <paramref name="row"/> to <paramref name="destination"/> [Columns].</summary>
    public abstract void ReadRow(int row, Span<float> destination);
}

/// <summary>A weight [N, K] in the layout that a device's MatMul and Embed read.</summary>
public abstract class PackedWeight(int n, int k, WeightFormat format) : IDisposable
{
    /// <summary>Output features (rows of the matrix; vocabulary of an embedding).</summary>
    public int N { get; } = n;

    /// <summary>Input features (columns of the matrix; width of an embedding).</summary>
    public int K { get; } = k;

    /// <summary>How it is held, and what its products do to activations.</summary>
    public WeightFormat Format { get; } = format;

    /// <summary>How the numbers are stored.</summary>
    public DType Type => Format.Type;

    /// <summary>Device memory taken, in bytes.</summary>
    public abstract long Bytes { get; }

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>The low-rank change that an adapter makes to one projection, or to one part of a fused projection.</summary>
/// <param name="ColumnStart">First output column of the fused projection that the segment changes.</param>
/// <param name="Columns">Output columns changed.</param>
/// <param name="A">lora_A [rank, k], or null when only columns are scaled or shifted.</param>
/// <param name="B">
/// lora_B [columns, rank] with the scale alpha / r (or alpha / sqrt(r)) already multiplied in; null with <paramref name="A"/>.
/// </param>
/// <param name="ColumnScale">DoRA: magnitude / norm of each output column [columns], multiplied into what the base weight gave; null for 1.</param>
/// <param name="ColumnBias">Added to each output column [columns]; null for 0.</param>
public sealed record LoraSegment(
    int ColumnStart, int Columns, WeightMatrix? A, WeightMatrix? B, float[]? ColumnScale = null, float[]? ColumnBias = null);

/// <summary>All segments of one adapter for one (fused) projection, in a device's layout.</summary>
public abstract class LoraWeight(int n, int k) : IDisposable
{
    /// <summary>Output columns of the projection.</summary>
    public int N { get; } = n;

    /// <summary>Input columns of the projection.</summary>
    public int K { get; } = k;

    /// <summary>Device memory taken, in bytes.</summary>
    public abstract long Bytes { get; }

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>Which normalisation a <see cref="NormWeight"/> stands for.</summary>
public enum NormKind
{
    /// <summary>x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich, arXiv 1910.07467).</summary>
    Rms,

    /// <summary>(x - mean) / sqrt(variance + eps) * weight + bias (Ba et al., arXiv 1607.06450).</summary>
    Layer,
}

/// <summary>Parameters of a normalisation over groups of <see cref="GroupSize"/> neighbouring columns.</summary>
/// <param name="Kind">RMSNorm or LayerNorm.</param>
/// <param name="Epsilon">Added under the root.</param>
/// <param name="GroupSize">Columns normalised together: the whole row, or one head for a norm of queries and keys.</param>
/// <param name="Weight">Multiplies each column [columns of the tensor].</param>
/// <param name="Bias">Added to each column, or null.</param>
public sealed record NormWeight(
    NormKind Kind, float Epsilon, int GroupSize, DeviceBuffer<float> Weight, DeviceBuffer<float>? Bias);

/// <summary>Rows [RowStart, RowStart + RowCount) of a batch that go through one weight.</summary>
public readonly record struct MatMulGroup(int RowStart, int RowCount, PackedWeight Weight, DeviceBuffer<float>? Bias);

/// <summary>Rows [RowStart, RowStart + RowCount) of a batch that one adapter changes.</summary>
public readonly record struct LoraGroup(int RowStart, int RowCount, LoraWeight Weight);
