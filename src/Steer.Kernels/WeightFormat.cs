namespace Steer.Kernels;

/// <summary>How a weight is held, and what its products do to the activations that meet it.</summary>
/// <param name="Type">How the numbers of the weight are stored.</param>
/// <param name="RoundActivations">
/// BF16: products take activations rounded to bfloat16, nearest even. Int8 and Int4: products take activations in 8 bits, see
/// <see cref="BlockQuantizer.Activations"/>. Other types, and without it: activations stay float32 and the weight is widened exactly.
/// </param>
public readonly record struct WeightFormat(DType Type, bool RoundActivations = false)
{
    /// <summary>Products round activations: that is asked for, and the type is one that does.</summary>
    public bool Rounds => RoundActivations && Type is (DType.BF16 or DType.Int8 or DType.Int4);

    /// <summary>The type, with exact activations.</summary>
    public static implicit operator WeightFormat(DType type) => new(type);
}
