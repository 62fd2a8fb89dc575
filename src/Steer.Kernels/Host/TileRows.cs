using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// The sums of a tile: two vectors for each of its rows. A number of rows is a type, built up as <see cref="MoreRows{TVector, TRows}"/> over
/// <see cref="OneRow{TVector}"/>, so that the compiler makes unrolled code with all sums in registers for each number of rows.
/// </summary>
internal unsafe interface ITileRows<TVector>
    where TVector : struct, ISimdVector<TVector>
{
    /// <summary>Rows.</summary>
    static abstract int Count { get; }

    /// <summary>Continues the sums in y[row][first] and y[row][second].</summary>
    void Load(float** y, nint first, nint second);

    /// <summary>Adds x[row] * (w0, w1).</summary>
    void MultiplyAdd(float* x, TVector w0, TVector w1);

    /// <summary>Adds (b0, b1) to every row.</summary>
    void Add(TVector b0, TVector b1);

    /// <summary>Writes y[row][first] and y[row][second].</summary>
    void Store(float** y, nint first, nint second);
}

/// <summary>One row of a tile.</summary>
internal unsafe struct OneRow<TVector> : ITileRows<TVector>
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
    public void Add(TVector b0, TVector b1)
    {
        _first += b0;
        _second += b1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(float** y, nint first, nint second)
    {
        _first.Store(*y + first);
        _second.Store(*y + second);
    }
}

/// <summary>The rows of <typeparamref name="TRows"/> and one more.</summary>
internal unsafe struct MoreRows<TVector, TRows> : ITileRows<TVector>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, ITileRows<TVector>
{
    public TRows Rows;
    public OneRow<TVector> Last;

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
    public void Add(TVector b0, TVector b1)
    {
        Rows.Add(b0, b1);
        Last.Add(b0, b1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(float** y, nint first, nint second)
    {
        Rows.Store(y, first, second);
        Last.Store(y + TRows.Count, first, second);
    }
}
