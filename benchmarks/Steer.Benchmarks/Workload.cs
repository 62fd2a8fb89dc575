using Steer.Kernels;

namespace Steer.Benchmarks;

/// <summary>Something to measure: kernels on given shapes, and how much arithmetic and memory they cannot do without.</summary>
public abstract class Workload(string name, double flops = 0) : IDisposable
{
    /// <summary>No processor's caches hold more.</summary>
    protected const long LargestCache = 64 << 20;

    private readonly List<IDisposable> _owned = [];

    /// <summary>Kernel, shapes and rows, as tables show them.</summary>
    public string Name { get; } = name;

    /// <summary>Float operations of one run; a multiply-add is two.</summary>
    public double Flops { get; protected set; } = flops;

    /// <summary>Bytes that one run reads from memory because no cache holds them; 0 where one may.</summary>
    public double Bytes { get; protected set; }

    /// <summary>The products' format, which says what limit they have.</summary>
    public WeightFormat Format { get; protected init; }

    /// <summary>Makes the tensors.</summary>
    public abstract void Setup(Device device);

    /// <summary>Does the work once.</summary>
    public abstract void Run();

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Gives the memory back; <see cref="Setup"/> may follow again.</summary>
    public void Dispose()
    {
        _owned.ForEach(o => o.Dispose());
        _owned.Clear();
        GC.SuppressFinalize(this);
    }

    /// <summary>A tensor of small random numbers, disposed with the workload.</summary>
    protected Tensor Random(Device device, int rows, int columns)
    {
        var tensor = RandomMatrix.Tensor(device, rows, columns);
        Own(tensor.Buffer);
        return tensor;
    }

    /// <summary>Has an object disposed with the workload.</summary>
    protected T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}

/// <summary>A matrix of small random numbers.</summary>
internal sealed class RandomMatrix(int rows, int columns) : WeightMatrix(rows, columns)
{
    /// <summary>The numbers on a device; the caller disposes the buffer.</summary>
    public static Tensor Tensor(Device device, int rows, int columns)
    {
        var buffer = device.Allocate<float>((long)rows * columns);
        var row = new float[columns];
        var source = new RandomMatrix(rows, columns);
        for (int i = 0; i < rows; i++)
        {
            source.ReadRow(i, row);
            buffer.Upload(row, (long)i * columns);
        }
        return new Tensor(buffer, rows, columns);
    }

    public override void ReadRow(int row, Span<float> destination)
    {
        uint state = (uint)row + 1;
        for (int i = 0; i < destination.Length; i++)
        {
            state = (state * 1664525) + 1013904223;
            destination[i] = ((state >> 8) * (1f / (1 << 24))) - 0.5f;
        }
    }
}
