using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>What 16 bytes of a weight in columns hold: <see cref="Fours"/> times four numbers along k.</summary>
internal interface IWeightRun
{
    /// <summary>Fours of numbers in 16 bytes.</summary>
    int Fours { get; }

    /// <summary>Numbers 4 i to 4 i + 3 of a run that begins at (column, k).</summary>
    Floats4 Four(Words4 words, int i, WeightView weight, int column, int k);
}

/// <summary>float32.</summary>
internal struct F32Run : IWeightRun
{
    public readonly int Fours => 1;

    public readonly Floats4 Four(Words4 words, int i, WeightView weight, int column, int k) => Floats4.Of(words);
}

/// <summary>bfloat16.</summary>
internal struct BF16Run : IWeightRun
{
    public readonly int Fours => 2;

    public readonly Floats4 Four(Words4 words, int i, WeightView weight, int column, int k)
    {
        uint low = i == 0 ? words.X : words.Z, high = i == 0 ? words.Y : words.W;
        return new() { X = Numbers.BF16(low), Y = Numbers.BF16(low >> 16), Z = Numbers.BF16(high), W = Numbers.BF16(high >> 16) };
    }
}

/// <summary>Halves.</summary>
internal struct F16Run : IWeightRun
{
    public readonly int Fours => 2;

    public readonly Floats4 Four(Words4 words, int i, WeightView weight, int column, int k)
    {
        uint low = i == 0 ? words.X : words.Z, high = i == 0 ? words.Y : words.W;
        return new() { X = Numbers.F16(low), Y = Numbers.F16(low >> 16), Z = Numbers.F16(high), W = Numbers.F16(high >> 16) };
    }
}

/// <summary>8 bits, with a scale for each block.</summary>
internal struct Int8Run : IWeightRun
{
    public readonly int Fours => 4;

    public readonly Floats4 Four(Words4 words, int i, WeightView weight, int column, int k)
    {
        uint four = words[i], scale = weight.Scales[weight.Layout.Scale(column, k)];
        return new()
        {
            X = Numbers.Int8(four, scale),
            Y = Numbers.Int8(four >> 8, scale),
            Z = Numbers.Int8(four >> 16, scale),
            W = Numbers.Int8(four >> 24, scale),
        };
    }
}

/// <summary>4 bits, with a scale and a minimum for each block.</summary>
internal struct Int4Run : IWeightRun
{
    public readonly int Fours => 8;

    public readonly Floats4 Four(Words4 words, int i, WeightView weight, int column, int k)
    {
        uint eight = i < 2 ? words.X : i < 4 ? words.Y : i < 6 ? words.Z : words.W;
        uint four = eight >> (16 * (i & 1));
        uint scale = weight.Scales[weight.Layout.Scale(column, k)];
        return new()
        {
            X = Numbers.Int4(four, scale),
            Y = Numbers.Int4(four >> 4, scale),
            Z = Numbers.Int4(four >> 8, scale),
            W = Numbers.Int4(four >> 12, scale),
        };
    }
}
