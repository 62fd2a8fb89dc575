namespace Steer.Kernels.Tests.Reference;

/// <summary>
/// What a kernel should give, computed in float64, and how far from it float32 may land. A tolerance is a first-order bound on the
/// rounding of the kernel's own formula, in units of <see cref="Unit"/>; each reference says how it gets its bound.
/// </summary>
internal sealed class Expected(int rows, int columns)
{
    /// <summary>Largest relative error of one rounding to float32.</summary>
    public const double Unit = 1.0 / (1 << 24);

    /// <summary>What an exponential or hyperbolic tangent of a device may be off, as a multiple of its value: 8 roundings.</summary>
    public const double Transcendental = 8 * Unit;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public double[] Value { get; } = new double[rows * columns];

    public double[] Tolerance { get; } = new double[rows * columns];

    public void Set(int row, int column, double value, double tolerance)
    {
        Value[(row * Columns) + column] = value;
        // One rounding for the store itself, and nothing finer than the smallest numbers that float32 has in full.
        Tolerance[(row * Columns) + column] = tolerance + (Unit * Math.Abs(value)) + 1e-37;
    }

    /// <summary>Every number of <paramref name="actual"/> is within its tolerance.</summary>
    public void AssertClose(Matrix actual, string what = "")
    {
        Assert.Equal((Rows, Columns), (actual.Rows, actual.Columns));
        for (int i = 0; i < Value.Length; i++)
        {
            double error = Math.Abs(actual.Data[i] - Value[i]);
            if (!(error <= Tolerance[i]))
            {
                Assert.Fail(
                    $"{what} row {i / Columns}, column {i % Columns} of [{Rows}, {Columns}]: {actual.Data[i]:R} is {error:G3} from {Value[i]:R}, " +
                    $"with {Tolerance[i]:G3} allowed.");
            }
        }
    }
}
