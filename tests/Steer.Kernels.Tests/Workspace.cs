namespace Steer.Kernels.Tests;

/// <summary>Memory of one test on one device, given back at its end.</summary>
public sealed class Workspace(Device device) : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public Device Device { get; } = device;

    /// <summary>Puts numbers into a strided tensor with guarded surroundings.</summary>
    public GuardedTensor Tensor(Matrix numbers) => new(this, numbers);

    /// <summary>A strided tensor of zeros with guarded surroundings.</summary>
    public GuardedTensor Tensor(int rows, int columns) => new(this, new Matrix(rows, columns));

    public DeviceBuffer<T> Buffer<T>(params T[] numbers)
        where T : unmanaged
    {
        DeviceBuffer<T> buffer = Own(Device.Allocate<T>(numbers.Length));
        buffer.Upload(numbers);
        return buffer;
    }

    public PackedWeight Weight(Matrix numbers, WeightFormat format = default) => Own(Device.Pack([new MatrixWeight(numbers)], format));

    public T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    public void Dispose()
    {
        Device.Synchronize();
        _owned.ForEach(o => o.Dispose());
    }
}

/// <summary>
/// A tensor in the middle of a larger buffer, its rows apart from each other, with a known number in every place that is not its own:
/// a kernel that ignores the stride, or writes past an edge, is found out when the tensor is read.
/// </summary>
public sealed class GuardedTensor
{
    private const int Left = 3;
    private const int Right = 6;
    private const float Guard = 12345.678f;

    private readonly DeviceBuffer<float> _buffer;

    public GuardedTensor(Workspace work, Matrix numbers)
    {
        int stride = Left + numbers.Columns + Right;
        _buffer = work.Own(work.Device.Allocate<float>((numbers.Rows + 2L) * stride));
        View = new Tensor(_buffer, stride + Left, numbers.Rows, numbers.Columns, stride);
        Write(numbers);
    }

    /// <summary>What kernels get.</summary>
    public Tensor View { get; }

    public static implicit operator Tensor(GuardedTensor tensor) => tensor.View;

    public void Write(Matrix numbers)
    {
        var all = new float[_buffer.Length];
        Array.Fill(all, Guard);
        for (int r = 0; r < View.Rows; r++)
            numbers.Row(r).CopyTo(all.AsSpan(Start(r)));
        _buffer.Upload(all);
    }

    public Matrix Read()
    {
        var all = new float[_buffer.Length];
        _buffer.Download(all);
        var numbers = new Matrix(View.Rows, View.Columns);
        for (int r = 0; r < View.Rows; r++)
        {
            Span<float> row = all.AsSpan(Start(r), View.Columns);
            row.CopyTo(numbers.Row(r));
            row.Fill(Guard);
        }

        Assert.True(!all.AsSpan().ContainsAnyExcept(Guard), "A kernel wrote outside its tensor.");
        return numbers;
    }

    private int Start(int row) => (int)(View.Offset + ((long)row * View.Stride));
}
