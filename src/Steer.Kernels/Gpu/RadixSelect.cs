using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Finds the key down to which the best tokens reach a number or a mass, four bits a pass: each thread sums its tokens by the value of the next digit, the
/// group adds up digit by digit, and the digit in which the target falls is the range of the next pass. With no atomic additions the sums have
/// one order.
/// </summary>
internal static class RadixSelect
{
    private const int DigitValues = 16;

    /// <summary>Shared memory for the sums of each thread.</summary>
    public static ArrayView<double> AllocateDigits() => SharedMemory.Allocate<double>(DigitValues * GroupReduce.MaxThreads);

    /// <summary>The largest key v for which the tokens of at least v have the target; the lowest key where all together have less.</summary>
    public static float Threshold(GuideTokens tokens, ArrayView<float> keys, double target, bool byMass)
    {
        float lowest = float.PositiveInfinity;
        for (int x = Group.IdxX; x < keys.IntLength; x += Group.DimX)
            lowest = keys[x] < lowest && keys[x] > float.NegativeInfinity ? keys[x] : lowest;
        uint low = Ordered(-tokens.Reduce.Max(-lowest)), high = Ordered(tokens.Max(keys)) + 1;
        double above = 0;
        while (high - low > 1)
        {
            int shift = 0;
            while (((high - low - 1) >> shift) >= DigitValues)
                shift++;
            SumDigits(tokens, keys, low, high, shift, byMass);
            int digit = DigitValues - 1;
            double sum = Digit(tokens, digit);
            while (digit > 0 && !(above + sum >= target))
            {
                above += sum;
                digit--;
                sum = Digit(tokens, digit);
            }

            Group.Barrier();
            low += (uint)digit << shift;
            uint end = low + (1u << shift);
            high = end < high && end > low ? end : high;
        }

        return Value(low);
    }

    /// <summary>The next float32 upwards.</summary>
    public static float NextUp(float value) => Value(Ordered(value) + 1);

    // Sums of the keys in [low, high) by digit; each digit's sum of 16 runs of threads ends in the first places of its row.
    private static void SumDigits(GuideTokens tokens, ArrayView<float> keys, uint low, uint high, int shift, bool byMass)
    {
        ArrayView<double> digits = tokens.Digits;
        for (int digit = 0; digit < DigitValues; digit++)
            digits[(digit * GroupReduce.MaxThreads) + Group.IdxX] = 0;
        for (int x = Group.IdxX; x < keys.IntLength; x += Group.DimX)
        {
            if (float.IsNegativeInfinity(keys[x]))
                continue;
            uint key = Ordered(keys[x]);
            if (key < low || key >= high)
                continue;
            int digit = (int)((key - low) >> shift);
            digits[(digit * GroupReduce.MaxThreads) + Group.IdxX] += byMass ? KernelMath.Exp(tokens.Scores[x]) : 1;
        }

        Group.Barrier();
        for (int digit = Group.IdxX; digit < DigitValues; digit += Group.DimX)
        {
            double sum = 0;
            for (int i = 0; i < Group.DimX; i++)
                sum += digits[(digit * GroupReduce.MaxThreads) + i];
            digits[digit * GroupReduce.MaxThreads] = sum;
        }

        Group.Barrier();
    }

    private static double Digit(GuideTokens tokens, int digit) => tokens.Digits[digit * GroupReduce.MaxThreads];

    // Floats as unsigned integers of the same order, and back. The negative zero becomes the positive one.
    private static uint Ordered(float value)
    {
        int bits = (int)Interop.FloatAsInt(value + 0f);
        return (uint)(bits ^ ((bits >> 31) | int.MinValue));
    }

    private static float Value(uint ordered)
    {
        int bits = (int)ordered;
        return Interop.IntAsFloat((uint)(bits ^ ((~bits >> 31) | int.MinValue)));
    }
}
