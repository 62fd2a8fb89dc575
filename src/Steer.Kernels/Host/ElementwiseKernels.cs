using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>x += scale * delta.</summary>
internal unsafe struct AddKernel : IRowKernel
{
    public HostMatrix X;
    public HostMatrix Delta;
    public float Scale;

    /// <inheritdoc/>
    public readonly void Run(int row) => Add(X.Row(row), Delta.Row(row), Scale, X.Columns);

    /// <summary>One row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(float* x, float* delta, float scale, int count)
    {
        int i = 0;
        for (; i <= count - VectorMath.Lanes; i += VectorMath.Lanes)
            Vector256.FusedMultiplyAdd(Vector256.Create(scale), Vector256.Load(delta + i), Vector256.Load(x + i)).Store(x + i);
        for (; i < count; i++)
            x[i] = MathF.FusedMultiplyAdd(scale, delta[i], x[i]);
    }
}

/// <summary>x *= scale, then x = cap * tanh(x / cap) where cap is above 0.</summary>
internal unsafe struct ScaleAndCapKernel : IRowKernel
{
    public HostMatrix X;
    public float Scale;
    public float Cap;

    /// <inheritdoc/>
    public readonly void Run(int row) => Run(X.Row(row), Scale, Cap, X.Columns);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run(float* x, float scale, float cap, int count)
    {
        for (int i = 0; i < count; i += VectorMath.Lanes)
        {
            int left = count - i;
            var value = (left >= VectorMath.Lanes ? Vector256.Load(x + i) : VectorMath.LoadPart(x + i, left)) * Vector256.Create(scale);
            if (cap > 0)
                value = Vector256.Create(cap) * VectorMath.Tanh(value / Vector256.Create(cap));
            if (left >= VectorMath.Lanes)
                value.Store(x + i);
            else
                VectorMath.StorePart(value, x + i, left);
        }
    }
}

/// <summary>y[i] = x[rows[i]].</summary>
internal unsafe struct GatherKernel : IRowKernel
{
    public HostMatrix X;
    public int* Rows;
    public HostMatrix Y;

    /// <inheritdoc/>
    public readonly void Run(int row)
    {
        if ((uint)Rows[row] >= (uint)X.Rows)
            throw new ArgumentException($"Gather: row {Rows[row]} of {X.Rows}.");
        NativeMemory.Copy(X.Row(Rows[row]), Y.Row(row), (nuint)Y.Columns * sizeof(float));
    }
}

/// <summary>y = scale * table[id], or added to y.</summary>
internal unsafe struct EmbedKernel : IRowKernel
{
    public int* Ids;
    public HostWeight Table;
    public float Scale;
    public bool Accumulate;
    public HostMatrix Y;

    /// <inheritdoc/>
    public readonly void Run(int row)
    {
        if ((uint)Ids[row] >= (uint)Table.N)
            throw new ArgumentException($"Embed: id {Ids[row]} for a table of {Table.N} rows.");
        float* y = Y.Row(row);
        if (!Accumulate)
            new Span<float>(y, Y.Columns).Clear();
        Table.AddRow(Ids[row], Scale, y);
    }
}
