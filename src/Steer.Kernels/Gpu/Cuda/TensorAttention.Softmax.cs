using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>The softmax of a unit.</content>
internal static partial class TensorAttention
{
    internal partial struct Parameters
    {
        /// <summary>The softmax of scores. A lane's columns of tile i are positions <paramref name="start"/> + 8 i + t and + 4.</summary>
        public readonly UnitSoftmax Softmax(Sums16x64 s, Query low, Query high, int start, int t)
        {
            if (HasAlibi != 0 || SoftCap > 0)
            {
                // Tile by tile, each of which ends in its place: unrolled, what few models need would be most of the kernel.
                float lowSlope = HasAlibi != 0 ? AlibiSlopes[low.Head] : 0, highSlope = HasAlibi != 0 ? AlibiSlopes[high.Head] : 0;
                for (int tile = 0; tile < UnitSize / 8; tile++)
                    s = s.Rotate(Adjust(s.First.A, lowSlope, highSlope, start + (8 * tile) + t));
            }

            s.First = Mask(s.First, low, high, start + t);
            s.Second = Mask(s.Second, low, high, start + 32 + t);
            float lowMaximum = MaximumOfFour(MathF.Max(Low(s.First), Low(s.Second)), 1);
            float highMaximum = MaximumOfFour(MathF.Max(High(s.First), High(s.Second)), 1);
            s.First = Weights(s.First, lowMaximum, highMaximum);
            s.Second = Weights(s.Second, lowMaximum, highMaximum);
            // One after the other: a tree of sums would keep weights in registers until late.
            Sums4 sum = s.First.A + s.First.B + s.First.C + s.First.D + s.Second.A + s.Second.B + s.Second.C + s.Second.D;
            return new UnitSoftmax
            {
                Weights = s,
                State = new SoftmaxState
                {
                    LowMaximum = lowMaximum,
                    LowSum = SumOfFour(sum.X + sum.Y, 1),
                    HighMaximum = highMaximum,
                    HighSum = SumOfFour(sum.Z + sum.W, 1),
                },
            };
        }

        /// <summary>What products of keys with a scale are multiplied by to be scores.</summary>
        public readonly float KeyScale<TFormat>(TFormat format, float scale)
            where TFormat : struct, IKvFormat => format.HasScales != 0 ? scale * Scale : Scale;

        /// <summary>A score with ALiBi and the soft cap, whichever there are.</summary>
        public readonly float Adjust(float score, float slope, int position)
        {
            if (HasAlibi != 0)
                score = KernelMath.FusedMultiplyAdd(slope, position, score);
            return SoftCap > 0 ? SoftCap * KernelMath.Tanh(score / SoftCap) : score;
        }

        /// <summary>A score that many positions before the query's; one after it is a large distance too.</summary>
        public readonly float Mask(float score, int distance) => (uint)distance < Window ? score : float.NegativeInfinity;

        private readonly Sums4 Adjust(Sums4 s, float lowSlope, float highSlope, int position) => new()
        {
            X = Adjust(s.X, lowSlope, position),
            Y = Adjust(s.Y, lowSlope, position + 4),
            Z = Adjust(s.Z, highSlope, position),
            W = Adjust(s.W, highSlope, position + 4),
        };

        private readonly Sums16x32 Mask(Sums16x32 s, Query low, Query high, int position) => new()
        {
            A = Mask(s.A, low, high, position),
            B = Mask(s.B, low, high, position + 8),
            C = Mask(s.C, low, high, position + 16),
            D = Mask(s.D, low, high, position + 24),
        };

        private readonly Sums4 Mask(Sums4 s, Query low, Query high, int position) => new()
        {
            X = Mask(s.X, low.Last - position),
            Y = Mask(s.Y, low.Last - position - 4),
            Z = Mask(s.Z, high.Last - position),
            W = Mask(s.W, high.Last - position - 4),
        };
    }

    /// <summary>Products of a tile as scores, with factors for a lane's two columns.</summary>
    public static Sums4 ScaleKeys(Sums4 products, float first, float second) => new()
    {
        X = products.X * first,
        Y = products.Y * second,
        Z = products.Z * first,
        W = products.W * second,
    };

    /// <summary>Weights of a tile times the scales of its values.</summary>
    public static Sums4 ScaleValues(Sums4 weights, float first, float second) => new()
    {
        X = ScaleValue(weights.X, first),
        Y = ScaleValue(weights.Y, second),
        Z = ScaleValue(weights.Z, first),
        W = ScaleValue(weights.W, second),
    };

    /// <summary>A weight times the scale of its values: what is hidden counts nothing, whatever number was left there.</summary>
    public static float ScaleValue(float weight, float scale) => weight == 0 ? 0 : weight * scale;

    /// <summary>The largest of the lanes whose numbers differ in two bits, the first of them <paramref name="bit"/>.</summary>
    public static float MaximumOfFour(float value, int bit)
    {
        value = MathF.Max(value, Warp.ShuffleXor(value, bit));
        return MathF.Max(value, Warp.ShuffleXor(value, 2 * bit));
    }

    /// <summary>The sum over the same lanes.</summary>
    public static float SumOfFour(float value, int bit)
    {
        value += Warp.ShuffleXor(value, bit);
        return value + Warp.ShuffleXor(value, 2 * bit);
    }

    private static float Low(Sums16x32 s) =>
        MathF.Max(MathF.Max(MathF.Max(s.A.X, s.A.Y), MathF.Max(s.B.X, s.B.Y)), MathF.Max(MathF.Max(s.C.X, s.C.Y), MathF.Max(s.D.X, s.D.Y)));

    private static float High(Sums16x32 s) =>
        MathF.Max(MathF.Max(MathF.Max(s.A.Z, s.A.W), MathF.Max(s.B.Z, s.B.W)), MathF.Max(MathF.Max(s.C.Z, s.C.W), MathF.Max(s.D.Z, s.D.W)));

    private static Sums16x32 Weights(Sums16x32 s, float low, float high) => new()
    {
        A = Weights(s.A, low, high),
        B = Weights(s.B, low, high),
        C = Weights(s.C, low, high),
        D = Weights(s.D, low, high),
    };

    private static Sums4 Weights(Sums4 s, float low, float high) => new()
    {
        X = SoftmaxState.Weight(s.X, low),
        Y = SoftmaxState.Weight(s.Y, low),
        Z = SoftmaxState.Weight(s.Z, high),
        W = SoftmaxState.Weight(s.W, high),
    };

    /// <summary>The softmax of 16 queries over a unit: weights relative to the unit's maximum, for rows g and g + 8.</summary>
    internal struct UnitSoftmax
    {
        public Sums16x64 Weights;
        public SoftmaxState State;
    }
}
