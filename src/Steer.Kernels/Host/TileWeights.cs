using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>How a tile reads the two vectors of weights of one k: columns c .. and 16 + c .. of a panel.</summary>
internal unsafe interface ITileWeights<TSelf, TVector>
    where TSelf : struct, ITileWeights<TSelf, TVector>
    where TVector : struct, ISimdVector<TVector>
{
    /// <summary>A reader that begins at <paramref name="source"/>.</summary>
    /// <param name="source">Column 0 of the first k.</param>
    /// <param name="column">c.</param>
    /// <param name="second">Bytes from column 0 to column 16.</param>
    /// <param name="stride">Bytes from one k to the next.</param>
    static abstract TSelf At(byte* source, int column, nint second, nint stride);

    /// <summary>Reads one k and moves on to the next.</summary>
    void Read(out TVector w0, out TVector w1);
}

/// <summary>float32.</summary>
internal unsafe struct F32Weights<TVector> : ITileWeights<F32Weights<TVector>, TVector>
    where TVector : struct, ISimdVector<TVector>
{
    private byte* _source;
    private nint _second;
    private nint _stride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F32Weights<TVector> At(byte* source, int column, nint second, nint stride) =>
        new() { _source = source + (column * sizeof(float)), _second = second, _stride = stride };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Read(out TVector w0, out TVector w1)
    {
        w0 = TVector.Load((float*)_source);
        w1 = TVector.Load((float*)(_source + _second));
        _source += _stride;
    }
}

/// <summary>bfloat16 in the words of <see cref="HostWeight"/>: both columns come from the same word.</summary>
internal unsafe struct BF16Weights<TVector> : ITileWeights<BF16Weights<TVector>, TVector>
    where TVector : struct, ISimdVector<TVector>
{
    private byte* _source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static BF16Weights<TVector> At(byte* source, int column, nint second, nint stride) =>
        new() { _source = source + (column * sizeof(uint)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Read(out TVector w0, out TVector w1)
    {
        TVector.LoadHalves((uint*)_source, out w0, out w1);
        _source += HostWeight.PanelWidth * sizeof(ushort);
    }
}
