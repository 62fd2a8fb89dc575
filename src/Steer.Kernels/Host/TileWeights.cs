using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>How a tile goes through the weights, step by step: two vectors for each k, columns c .. and 16 + c .. of a panel.</summary>
internal unsafe interface ITileWeights<TSelf, TVector>
    where TSelf : struct, ITileWeights<TSelf, TVector>
    where TVector : struct, ISimdVector<TVector>
{
    /// <summary>k in a step; numbers of a row of x too.</summary>
    static abstract int Depth { get; }

    /// <summary>A reader that begins at <paramref name="source"/>.</summary>
    /// <param name="source">Column 0 of the first k.</param>
    /// <param name="column">c.</param>
    /// <param name="second">Bytes from column 0 to column 16.</param>
    /// <param name="stride">Bytes from one step to the next.</param>
    static abstract TSelf At(byte* source, int column, nint second, nint stride);

    /// <summary>Adds a step's products with the rows of x [Depth][rows] to the sums, and moves on.</summary>
    void Step<TRows>(ref TRows sums, float* x)
        where TRows : struct, ITileRows<TVector>;
}

/// <summary>float32.</summary>
internal unsafe struct F32Weights<TVector> : ITileWeights<F32Weights<TVector>, TVector>
    where TVector : struct, ISimdVector<TVector>
{
    private byte* _source;
    private nint _second;
    private nint _stride;

    public static int Depth
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F32Weights<TVector> At(byte* source, int column, nint second, nint stride) =>
        new() { _source = source + (column * sizeof(float)), _second = second, _stride = stride };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step<TRows>(ref TRows sums, float* x)
        where TRows : struct, ITileRows<TVector>
    {
        sums.MultiplyAdd(x, TVector.Load((float*)_source), TVector.Load((float*)(_source + _second)));
        _source += _stride;
    }
}

/// <summary>Two numbers of 16 bits in a word, of neighbouring k: the first in its lower half.</summary>
internal unsafe struct PairWeights<TVector, TNumber> : ITileWeights<PairWeights<TVector, TNumber>, TVector>
    where TVector : struct, ISimdVector<TVector>
    where TNumber : struct, IPairNumber
{
    private byte* _source;
    private nint _second;
    private nint _stride;

    public static int Depth
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static PairWeights<TVector, TNumber> At(byte* source, int column, nint second, nint stride) =>
        new() { _source = source + (column * sizeof(uint)), _second = second, _stride = stride };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step<TRows>(ref TRows sums, float* x)
        where TRows : struct, ITileRows<TVector>
    {
        if (TNumber.UpperFirst)
        {
            Upper(ref sums, x);
            Lower(ref sums, x);
        }
        else
        {
            Lower(ref sums, x);
            Upper(ref sums, x);
        }
        _source += _stride;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Lower<TRows>(ref TRows sums, float* x)
        where TRows : struct, ITileRows<TVector> =>
        sums.MultiplyAdd(x, TNumber.Load<TVector>(_source, 16), TNumber.Load<TVector>(_source + _second, 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Upper<TRows>(ref TRows sums, float* x)
        where TRows : struct, ITileRows<TVector> =>
        sums.MultiplyAdd(x + TRows.Count, TNumber.Load<TVector>(_source, 0), TNumber.Load<TVector>(_source + _second, 0));
}

/// <summary>What the 16 bits of <see cref="PairWeights{TVector, TNumber}"/> are, and in which order a pair's products are added.</summary>
internal unsafe interface IPairNumber
{
    /// <summary>The product of the upper half comes first.</summary>
    static abstract bool UpperFirst { get; }

    /// <summary>The upper halves of the words, after a shift to the left, as float32.</summary>
    static abstract TVector Load<TVector>(byte* source, int left)
        where TVector : struct, ISimdVector<TVector>;
}

/// <summary>bfloat16 that meets exact activations: ascending k.</summary>
internal readonly unsafe struct ExactBF16 : IPairNumber
{
    public static bool UpperFirst
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source, int left)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadBF16(source, left);
}

/// <summary>bfloat16 that meets rounded activations: the order in which the instruction vdpbf16ps adds its two products.</summary>
internal readonly unsafe struct RoundedBF16 : IPairNumber
{
    public static bool UpperFirst
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source, int left)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadBF16(source, left);
}

/// <summary>float16, ascending k.</summary>
internal readonly unsafe struct ExactF16 : IPairNumber
{
    public static bool UpperFirst
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source, int left)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadF16(source, left);
}
