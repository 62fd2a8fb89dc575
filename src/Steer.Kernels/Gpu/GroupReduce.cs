using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// What the threads of a group find out together. Every thread calls, and every thread gets the result; what threads wrote before a call all may read
/// after it. Orders depend on the group's size alone. Numbers go through float64, which holds float32 and whole numbers exactly.
/// </summary>
internal readonly struct GroupReduce
{
    /// <summary>Most threads of a group.</summary>
    public const int MaxThreads = 512;

    // Thread i belongs to part i % Parts: the threads that add up a part each read neighbouring words of shared memory.
    private const int Parts = 32;

    private readonly ArrayView<double> _shared;

    private GroupReduce(ArrayView<double> shared) => _shared = shared;

    /// <summary>Takes the shared memory for it; once in a kernel.</summary>
    public static GroupReduce Create() => new(SharedMemory.Allocate<double>(MaxThreads + Parts));

    /// <summary>The sum of every thread's value: part by part, then the parts in order.</summary>
    public double Sum(double value)
    {
        if (Group.DimX == 1)
            return value;
        Put(value);
        for (int part = Group.IdxX; part < Parts; part += Group.DimX)
        {
            double ofPart = 0;
            for (int i = part; i < Group.DimX; i += Parts)
                ofPart += _shared[i];
            _shared[MaxThreads + part] = ofPart;
        }

        Group.Barrier();
        double sum = 0;
        for (int part = 0; part < Parts; part++)
            sum += _shared[MaxThreads + part];
        Group.Barrier();
        return sum;
    }

    /// <summary>The largest of every thread's value; NaN counts as nothing.</summary>
    public float Max(float value) => (float)Largest(value);

    /// <summary>The smallest of every thread's whole number.</summary>
    public int Min(int value) => (int)-Largest(-(double)value);

    /// <summary>The sum of the values of some threads, and of all: each thread has a place of its own in one order of all.</summary>
    public double SumBefore(double value, out double all)
    {
        all = value;
        if (Group.DimX == 1)
            return 0;
        Put(value);
        for (int part = Group.IdxX; part < Parts; part += Group.DimX)
        {
            double ofPart = 0;
            for (int i = part; i < Group.DimX; i += Parts)
            {
                double own = _shared[i];
                _shared[i] = ofPart;
                ofPart += own;
            }

            _shared[MaxThreads + part] = ofPart;
        }

        Group.Barrier();
        double before = _shared[Group.IdxX];
        all = 0;
        for (int part = 0; part < Parts; part++)
        {
            before += part < Group.IdxX % Parts ? _shared[MaxThreads + part] : 0;
            all += _shared[MaxThreads + part];
        }

        Group.Barrier();
        return before;
    }

    private double Largest(double value)
    {
        if (Group.DimX == 1)
            return value;
        Put(value);
        for (int part = Group.IdxX; part < Parts; part += Group.DimX)
        {
            double ofPart = double.NegativeInfinity;
            for (int i = part; i < Group.DimX; i += Parts)
                ofPart = _shared[i] > ofPart ? _shared[i] : ofPart;
            _shared[MaxThreads + part] = ofPart;
        }

        Group.Barrier();
        double largest = double.NegativeInfinity;
        for (int part = 0; part < Parts; part++)
            largest = _shared[MaxThreads + part] > largest ? _shared[MaxThreads + part] : largest;
        Group.Barrier();
        return largest;
    }

    private void Put(double value)
    {
        _shared[Group.IdxX] = value;
        Group.Barrier();
    }
}
