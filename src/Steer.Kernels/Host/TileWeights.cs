using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>How a tile reads the weights of a step: two vectors for each k, columns c .. and 16 + c .. of a panel.</summary>
internal unsafe interface ITileWeights<TVector>
    where TVector : struct, ISimdVector<TVector>
{
    /// <summary>k in a step; numbers of a row of x too.</summary>
    static abstract int Depth { get; }

    /// <summary>Adds the products of a step, from column c on, with the rows of x [Depth][rows] to the sums.</summary>
    static abstract void Step<TRows>(ref TRows sums, float* x, byte* weights)
        where TRows : struct, ITileRows<TVector>;
}

/// <summary>float32.</summary>
internal readonly unsafe struct F32Weights<TVector> : ITileWeights<TVector>
    where TVector : struct, ISimdVector<TVector>
{
    public static int Depth
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Step<TRows>(ref TRows sums, float* x, byte* weights)
        where TRows : struct, ITileRows<TVector> =>
        sums.MultiplyAdd(x, TVector.Load((float*)weights), TVector.Load((float*)weights + (HostWeight.PanelWidth / 2)));
}

/// <summary>Two numbers of 16 bits in a word, of neighbouring k: the first in its lower half.</summary>
internal readonly unsafe struct PairWeights<TVector, TNumber> : ITileWeights<TVector>
    where TVector : struct, ISimdVector<TVector>
    where TNumber : struct, IPairNumber
{
    private const int Second = HostWeight.WordStepBytes / 2;

    public static int Depth
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Step<TRows>(ref TRows sums, float* x, byte* weights)
        where TRows : struct, ITileRows<TVector>
    {
        if (TNumber.UpperFirst)
        {
            Upper(ref sums, x, weights);
            Lower(ref sums, x, weights);
        }
        else
        {
            Lower(ref sums, x, weights);
            Upper(ref sums, x, weights);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Lower<TRows>(ref TRows sums, float* x, byte* weights)
        where TRows : struct, ITileRows<TVector> =>
        sums.MultiplyAdd(x, TNumber.Load<TVector>(weights, 16), TNumber.Load<TVector>(weights + Second, 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Upper<TRows>(ref TRows sums, float* x, byte* weights)
        where TRows : struct, ITileRows<TVector> =>
        sums.MultiplyAdd(x + TRows.Count, TNumber.Load<TVector>(weights, 0), TNumber.Load<TVector>(weights + Second, 0));
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
