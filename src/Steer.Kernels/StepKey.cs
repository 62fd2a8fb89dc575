namespace Steer.Kernels;

/// <summary>
/// Names a sequence of launches for <see cref="Device.Repeat"/>: every number that is an argument of one of them and may differ from one
/// batch to the next (rows, groups, strides). Equal where all numbers are.
/// </summary>
public sealed class StepKey(params int[] numbers) : IEquatable<StepKey>
{
    private readonly int[] _numbers = numbers;

    /// <inheritdoc/>
    public bool Equals(StepKey? other) => other is not null && _numbers.AsSpan().SequenceEqual(other._numbers);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as StepKey);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (int number in _numbers)
            hash.Add(number);
        return hash.ToHashCode();
    }
}
