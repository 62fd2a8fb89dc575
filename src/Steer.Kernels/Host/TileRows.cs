using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// The sums of a tile, of a product or of attention (a row is a query there): two vectors for each of its rows. A number of rows is a type, built up
/// as <see cref="MoreRows{TVector, TRows}"/> over <see cref="OneRow{TVector}"/>, so that the compiler makes unrolled code with all sums in registers
/// for each.
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

    /// <summary>Adds x[row * stride] * (w0, w1).</summary>
    void MultiplyAddStrided(float* x, nint stride, TVector w0, TVector w1);

    /// <summary>Adds (b0, b1) to every row.</summary>
    void Add(TVector b0, TVector b1);

    /// <summary>The sums are integers now, and both begin at start[row].</summary>
    void StartIntegers(int* start);

    /// <summary>Adds the two products of 16-bit integers in x[row] * (w0, w1).</summary>
    void MultiplyAddPairs(int* x, TVector w0, TVector w1);

    /// <summary>to[row] += x[row] * (s0, s1) * the integer sums, with the two vectors of a row side by side.</summary>
    void AddIntegersTo(float* to, float* x, TVector s0, TVector s1);

    /// <summary>to[row] += x[row] * (m0, m1).</summary>
    static abstract void AddTo(float* to, float* x, TVector m0, TVector m1);

    /// <summary>Writes the sums side by side.</summary>
    void StoreTo(float* to);

    /// <summary>Reads what <see cref="StoreTo"/> wrote.</summary>
    void LoadFrom(float* from);

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
    public void MultiplyAddStrided(float* x, nint stride, TVector w0, TVector w1) => MultiplyAdd(x, w0, w1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(TVector b0, TVector b1)
    {
        _first += b0;
        _second += b1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StartIntegers(int* start) => _first = _second = TVector.BroadcastWord(*start);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MultiplyAddPairs(int* x, TVector w0, TVector w1)
    {
        var value = TVector.BroadcastWord(*x);
        _first = TVector.MultiplyAddPairs(w0, value, _first);
        _second = TVector.MultiplyAddPairs(w1, value, _second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void AddIntegersTo(float* to, float* x, TVector s0, TVector s1)
    {
        var scale = TVector.Broadcast(*x);
        TVector.MultiplyAdd(TVector.ToSingle(_first), s0 * scale, TVector.Load(to)).Store(to);
        TVector.MultiplyAdd(TVector.ToSingle(_second), s1 * scale, TVector.Load(to + TVector.Count)).Store(to + TVector.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddTo(float* to, float* x, TVector m0, TVector m1)
    {
        var value = TVector.Broadcast(*x);
        TVector.MultiplyAdd(value, m0, TVector.Load(to)).Store(to);
        TVector.MultiplyAdd(value, m1, TVector.Load(to + TVector.Count)).Store(to + TVector.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void StoreTo(float* to)
    {
        _first.Store(to);
        _second.Store(to + TVector.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void LoadFrom(float* from)
    {
        _first = TVector.Load(from);
        _second = TVector.Load(from + TVector.Count);
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
    public void MultiplyAddStrided(float* x, nint stride, TVector w0, TVector w1)
    {
        Rows.MultiplyAddStrided(x, stride, w0, w1);
        Last.MultiplyAdd(x + (TRows.Count * stride), w0, w1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(TVector b0, TVector b1)
    {
        Rows.Add(b0, b1);
        Last.Add(b0, b1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StartIntegers(int* start)
    {
        Rows.StartIntegers(start);
        Last.StartIntegers(start + TRows.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MultiplyAddPairs(int* x, TVector w0, TVector w1)
    {
        Rows.MultiplyAddPairs(x, w0, w1);
        Last.MultiplyAddPairs(x + TRows.Count, w0, w1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void AddIntegersTo(float* to, float* x, TVector s0, TVector s1)
    {
        Rows.AddIntegersTo(to, x, s0, s1);
        Last.AddIntegersTo(to + (2 * TVector.Count * TRows.Count), x + TRows.Count, s0, s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddTo(float* to, float* x, TVector m0, TVector m1)
    {
        TRows.AddTo(to, x, m0, m1);
        OneRow<TVector>.AddTo(to + (2 * TVector.Count * TRows.Count), x + TRows.Count, m0, m1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void StoreTo(float* to)
    {
        Rows.StoreTo(to);
        Last.StoreTo(to + (2 * TVector.Count * TRows.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void LoadFrom(float* from)
    {
        Rows.LoadFrom(from);
        Last.LoadFrom(from + (2 * TVector.Count * TRows.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store(float** y, nint first, nint second)
    {
        Rows.Store(y, first, second);
        Last.Store(y + TRows.Count, first, second);
    }
}
