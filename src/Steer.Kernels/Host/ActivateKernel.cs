using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>A nonlinearity, eight numbers at a time.</summary>
internal interface IActivation
{
    static abstract Vector256<float> Apply(Vector256<float> x);
}

/// <summary>y = act(x), or act(gate) * up where x holds both side by side.</summary>
internal unsafe struct ActivateKernel<TActivation> : IRowKernel
    where TActivation : struct, IActivation
{
    public HostMatrix X;
    public bool Gated;
    public HostMatrix Y;

    /// <inheritdoc/>
    public readonly void Run(int row) => Run(X.Row(row), Gated ? X.Row(row) + Y.Columns : null, Y.Row(row), Y.Columns);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run(float* x, float* up, float* y, int count)
    {
        const int Lanes = VectorMath.Lanes;
        int i = 0;
        for (; i <= count - Lanes; i += Lanes)
        {
            var value = TActivation.Apply(Vector256.Load(x + i));
            if (up is not null)
                value *= Vector256.Load(up + i);
            value.Store(y + i);
        }
        if (i < count)
        {
            var value = TActivation.Apply(VectorMath.LoadPart(x + i, count - i));
            if (up is not null)
                value *= VectorMath.LoadPart(up + i, count - i);
            VectorMath.StorePart(value, y + i, count - i);
        }
    }
}

/// <summary>x / (1 + exp(-x)).</summary>
internal readonly struct Silu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Apply(Vector256<float> x) => x / (Vector256<float>.One + VectorMath.Exp(-x));
}

/// <summary>x * Phi(x).</summary>
internal readonly struct Gelu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Apply(Vector256<float> x) => x * VectorMath.NormalCdf(x);
}

/// <summary>0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), which is x / (1 + exp(-2 u)).</summary>
internal readonly struct GeluTanh : IActivation
{
    private const float TwiceRootTwoOverPi = 1.5957691216f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Apply(Vector256<float> x)
    {
        var cubic = Vector256.FusedMultiplyAdd(x * x, Vector256.Create(0.044715f), Vector256<float>.One);
        return x / (Vector256<float>.One + VectorMath.Exp(x * cubic * Vector256.Create(-TwiceRootTwoOverPi)));
    }
}

/// <summary>max(x, 0).</summary>
internal readonly struct Relu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Apply(Vector256<float> x) => Vector256.Max(x, Vector256<float>.Zero);
}
