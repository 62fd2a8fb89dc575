using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>
/// Softmax in chunks: the weights of one, and how chunks are joined (Milakov &amp; Gimelshein, arXiv 1805.02867). A chunk of a query has a maximum, a
/// sum of weights exp(score - maximum) and the values summed with them; what sees nothing has minus infinity and 0.
/// </summary>
internal static unsafe class AttentionSoftmax
{
    private const int Lanes = VectorMath.Lanes;
    private const int Step = 2 * Lanes;
    private const int BlockSize = KvCacheShape.BlockSize;

    /// <summary>
    /// Turns the scores of positions [begin, end) of a chunk into exp(score - maximum), in the code of the tiles, times the value's scale where
    /// numbers have 8 bits. The sum, of rounded weights where they are rounded, has eight lanes, by position mod 8.
    /// </summary>
    /// <param name="args">Scale, soft cap, what a record looks like and what multiplies with it.</param>
    /// <param name="scores">q . key of the chunk's positions [64]; out: weights, which as pairs take the first half.</param>
    /// <param name="blocks">Addresses of the records of the chunk's blocks.</param>
    /// <param name="first">Position of the chunk's first number in its context.</param>
    /// <param name="begin">First that the query sees.</param>
    /// <param name="end">One more than the last; above <paramref name="begin"/>.</param>
    /// <param name="slope">ALiBi slope, or 0.</param>
    /// <param name="maximum">Out: the largest score.</param>
    /// <returns>Sum of the weights.</returns>
    public static float Weigh(
        in AttentionArgs args, float* scores, long* blocks, int first, int begin, int end, float slope, out float maximum)
    {
        long* scales = args.Cache.Shape.Type == DType.Int8 ? blocks : null;
        // Whole steps of both loops; positions that nobody sees get weights of 0.
        int start = begin / Step * Step, stop = (end + Step - 1) / Step * Step;
        var most = Spread(Scale(args, scores, scales, start, stop, first, begin, end, slope));
        maximum = most.ToScalar();
        return args.Format.Code == RowCode.Float
            ? Weights(scores, scales, args.Cache.ScalesOffset, start, stop, most)
            : RoundedWeights(scores, args.Format.Code == RowCode.Pairs, start, stop, most);
    }

    // Scores as softmax takes them, minus infinity where nothing is seen, and the largest of each lane.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static Vector256<float> Scale(
        in AttentionArgs args, float* scores, long* scales, int start, int stop, int first, int begin, int end, float slope)
    {
        int offset = args.Cache.ScalesOffset;
        float softCap = args.SoftCap;
        var scale = Vector256.Create(args.Scale);
        var most = Vector256.Create(float.NegativeInfinity);
        for (int i = start; i < stop; i += Lanes)
        {
            var score = Vector256.Load(scores + i);
            if (scales is not null)
                score *= Vector256.Load((float*)(scales[i / BlockSize] + offset) + (i % BlockSize));
            score *= scale;
            if (slope != 0)
            {
                var at = Vector256.ConvertToSingle(Vector256.Create(first + i) + Vector256<int>.Indices);
                score = Vector256.FusedMultiplyAdd(Vector256.Create(slope), at, score);
            }
            if (softCap > 0)
                score = Vector256.Create(softCap) * VectorMath.Tanh(score / Vector256.Create(softCap));
            if (i < begin || i + Lanes > end)
            {
                var at = Vector256.Create(i) + Vector256<int>.Indices;
                var seen = Vector256.GreaterThanOrEqual(at, Vector256.Create(begin)) & Vector256.LessThan(at, Vector256.Create(end));
                score = Vector256.ConditionalSelect(seen.AsSingle(), score, Vector256.Create(float.NegativeInfinity));
            }
            score.Store(scores + i);
            // NaN is passed over: it comes out in its own weight.
            most = Vector256.MaxNative(score, most);
        }
        return most;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Weights(float* scores, long* scales, int offset, int start, int stop, Vector256<float> most)
    {
        var sum = Vector256<float>.Zero;
        for (int i = start; i < stop; i += Lanes)
        {
            var weight = VectorMath.Exp(Vector256.Load(scores + i) - most);
            sum += weight;
            if (scales is not null)
                weight *= Vector256.Load((float*)(scales[i / BlockSize] + offset) + BlockSize + (i % BlockSize));
            weight.Store(scores + i);
        }
        return VectorMath.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float RoundedWeights(float* scores, bool pairs, int start, int stop, Vector256<float> most)
    {
        var sum = Vector256<float>.Zero;
        for (int i = start; i < stop; i += Step)
        {
            var a = VectorMath.ExpToBF16(Vector256.Load(scores + i) - most);
            var b = VectorMath.ExpToBF16(Vector256.Load(scores + i + Lanes) - most);
            sum = sum + a + b;
            if (pairs)
            {
                Vector256.Narrow(a.AsUInt32() >> 16, b.AsUInt32() >> 16).Store((ushort*)scores + i);
                continue;
            }
            a.Store(scores + i);
            b.Store(scores + i + Lanes);
        }
        return VectorMath.Sum(sum);
    }

    /// <summary>
    /// Joins the maxima and sums of some queries' chunks to those of all chunks before, and says what both summed values have to be multiplied with.
    /// </summary>
    /// <param name="maxima">Of all before; out: with the chunk. Like all arrays here as long as a multiple of eight.</param>
    /// <param name="sums">Of all before; out: with the chunk.</param>
    /// <param name="partMaxima">Of the chunk; out: factors of the chunk.</param>
    /// <param name="partSums">Of the chunk; out: factors of all before.</param>
    /// <param name="count">Queries.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Join(float* maxima, float* sums, float* partMaxima, float* partSums, int count)
    {
        for (int i = 0; i < count; i += Lanes)
        {
            var before = Vector256.Load(maxima + i);
            var now = Vector256.Load(partMaxima + i);
            var both = Vector256.MaxNative(before, now);
            var offset = Vector256.ConditionalSelect(
                Vector256.Equals(both, Vector256.Create(float.NegativeInfinity)), Vector256<float>.Zero, both);
            var factorBefore = VectorMath.Exp(before - offset);
            var factorNow = VectorMath.Exp(now - offset);
            Vector256.FusedMultiplyAdd(Vector256.Load(sums + i), factorBefore, Vector256.Load(partSums + i) * factorNow).Store(sums + i);
            both.Store(maxima + i);
            factorNow.Store(partMaxima + i);
            factorBefore.Store(partSums + i);
        }
    }

    /// <summary>sums = sums * before + values * now; count is a multiple of eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(float* sums, float before, float* values, float now, int count)
    {
        for (int i = 0; i < count; i += Lanes)
        {
            var added = Vector256.Load(values + i) * Vector256.Create(now);
            Vector256.FusedMultiplyAdd(Vector256.Load(sums + i), Vector256.Create(before), added).Store(sums + i);
        }
    }

    /// <summary>y = x * factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* x, float factor, float* y, int count)
    {
        int i = 0;
        for (; i <= count - Lanes; i += Lanes)
            (Vector256.Load(x + i) * Vector256.Create(factor)).Store(y + i);
        for (; i < count; i++)
            y[i] = x[i] * factor;
    }

    // The largest lane in every lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Spread(Vector256<float> x)
    {
        x = Vector256.MaxNative(x, Vector256.Shuffle(x, Vector256.Create(4, 5, 6, 7, 0, 1, 2, 3)));
        x = Vector256.MaxNative(x, Vector256.Shuffle(x, Vector256.Create(2, 3, 0, 1, 6, 7, 4, 5)));
        return Vector256.MaxNative(x, Vector256.Shuffle(x, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6)));
    }
}
