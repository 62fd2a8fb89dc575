using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>
/// RMSNorm and LayerNorm over groups of columns, after adding <see cref="Delta"/> where there is one. A group is summed in sixteen lanes, column
/// i in lane i mod 16, and what is left over after the last sixteen one by one: the order depends on the group's size alone.
/// </summary>
internal unsafe struct NormKernel : IRowKernel
{
    public HostMatrix X;
    public HostMatrix Delta;
    public float DeltaScale;
    public NormKind Kind;
    public float Epsilon;
    public int GroupSize;
    public float* Weight;
    public float* Bias;
    public HostMatrix Y;

    /// <inheritdoc/>
    public readonly void Run(int row)
    {
        float* x = X.Row(row);
        if (Delta.Data is not null)
            AddKernel.Add(x, Delta.Row(row), DeltaScale, X.Columns);
        for (int start = 0; start < X.Columns; start += GroupSize)
        {
            float mean = Kind == NormKind.Layer ? Sum<Identity>(x + start, 0, GroupSize) / GroupSize : 0;
            float square = Sum<SquaredDistance>(x + start, mean, GroupSize) / GroupSize;
            float* bias = Bias is null ? null : Bias + start;
            Scale(x + start, mean, 1 / MathF.Sqrt(square + Epsilon), Weight + start, bias, Y.Row(row) + start, GroupSize);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum<TTerm>(float* x, float mean, int count)
        where TTerm : struct, ITerm
    {
        const int Lanes = VectorMath.Lanes;
        var a = Vector256<float>.Zero;
        var b = Vector256<float>.Zero;
        var offset = Vector256.Create(mean);
        int i = 0;
        for (; i <= count - (2 * Lanes); i += 2 * Lanes)
        {
            a = TTerm.Add(Vector256.Load(x + i) - offset, a);
            b = TTerm.Add(Vector256.Load(x + i + Lanes) - offset, b);
        }
        float sum = VectorMath.Sum(a + b);
        for (; i < count; i++)
            sum = TTerm.Add(x[i] - mean, sum);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(float* x, float mean, float inverse, float* weight, float* bias, float* y, int count)
    {
        const int Lanes = VectorMath.Lanes;
        var offset = Vector256.Create(mean);
        var factor = Vector256.Create(inverse);
        int i = 0;
        for (; i <= count - Lanes; i += Lanes)
        {
            var value = (Vector256.Load(x + i) - offset) * factor * Vector256.Load(weight + i);
            if (bias is not null)
                value += Vector256.Load(bias + i);
            value.Store(y + i);
        }
        for (; i < count; i++)
        {
            float value = (x[i] - mean) * inverse * weight[i];
            y[i] = bias is null ? value : value + bias[i];
        }
    }

    private interface ITerm
    {
        static abstract Vector256<float> Add(Vector256<float> distance, Vector256<float> sum);

        static abstract float Add(float distance, float sum);
    }

    private readonly struct Identity : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Add(Vector256<float> distance, Vector256<float> sum) => distance + sum;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float Add(float distance, float sum) => distance + sum;
    }

    private readonly struct SquaredDistance : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Add(Vector256<float> distance, Vector256<float> sum) => Vector256.FusedMultiplyAdd(distance, distance, sum);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float Add(float distance, float sum) => MathF.FusedMultiplyAdd(distance, distance, sum);
    }
}
