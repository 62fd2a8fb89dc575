using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// The sums of a tile of attention: two vectors for each query. A number of queries is a type, built up as <see cref="MoreQueries{TVector, TRows}"/> over
/// <see cref="OneQuery{TVector}"/>, so that the compiler keeps all sums in registers.
/// </summary>
internal unsafe interface IQueryRows<TVector>
    where TVector : struct, ISimdVector<TVector>
{
    /// <summary>Queries.</summary>
    static abstract int Count { get; }

    /// <summary>Continues the sums in y[query][first] and y[query][second].</summary>
    void Load(float** y, nint first, nint second);

    /// <summary>Adds x[query] * (w0, w1).</summary>
    void MultiplyAdd(float* x, TVector w0, TVector w1);

    /// <summary>Adds x[query * chunk] * (w0, w1): queries lie a chunk of positions apart.</summary>
    void MultiplyAddColumn(float* x, TVector w0, TVector w1);

    /// <summary>Writes y[query][first] and y[query][second].</summary>
    void Store(float** y, nint first, nint second);
}

/// <summary>One query.</summary>
internal unsafe struct OneQuery<TVector> : IQueryRows<TVector>
    where TVector : struct, ISimdVector<TVector>
{
    private TVector _first;
    private TVector _second;

    public static int Count
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Load(float** y, nint first, nint second)
    {
        _first = TVector.Load(*y + first);
        _second = TVector.Load(*y + second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MultiplyAdd(float* x, TVector w0, TVector w1)
    {
        var value = TVector.Broadcast(*x);
        _first = TVector.MultiplyAdd(value, w0, _first);
        _second = TVector.MultiplyAdd(value, w1, _second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MultiplyAddColumn(float* x, TVector w0, TVector w1) => MultiplyAdd(x, w0, w1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(float** y, nint first, nint second)
    {
        _first.Store(*y + first);
        _second.Store(*y + second);
    }
}

/// <summary>The queries of <typeparamref name="TRows"/> and one more.</summary>
internal unsafe struct MoreQueries<TVector, TRows> : IQueryRows<TVector>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, IQueryRows<TVector>
{
    public TRows Rows;
    public OneQuery<TVector> Last;

    public static int Count
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TRows.Count + 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Load(float** y, nint first, nint second)
    {
        Rows.Load(y, first, second);
        Last.Load(y + TRows.Count, first, second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MultiplyAdd(float* x, TVector w0, TVector w1)
    {
        Rows.MultiplyAdd(x, w0, w1);
        Last.MultiplyAdd(x + TRows.Count, w0, w1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MultiplyAddColumn(float* x, TVector w0, TVector w1)
    {
        Rows.MultiplyAddColumn(x, w0, w1);
        Last.MultiplyAdd(x + (TRows.Count * AttentionArgs.Chunk), w0, w1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(float** y, nint first, nint second)
    {
        Rows.Store(y, first, second);
        Last.Store(y + TRows.Count, first, second);
    }
}
