using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// What the threads of a group find out together. Every thread calls, and every thread gets the result; what threads wrote before a call all may read
/// after it. Orders depend on the group's size alone. Numbers go through float64, which holds float32 and whole numbers exactly.
/// </summary>
internal readonly struct GroupReduce
{
    /// <summary>Most threads of a group.</summary>
    public const int MaxThreads = 256;

    private const int Parts = 16;

    private readonly ArrayView<double> _shared;

    private GroupReduce(ArrayView<double> shared) => _shared = shared;

    /// <summary>Takes the shared memory for it; once in a kernel.</summary>
    public static GroupReduce Create() => new(SharedMemory.Allocate<double>(MaxThreads + Parts));

    /// <summary>The sum of every thread's value: 16 runs of neighbours, then the runs in order.</summary>
    public double Sum(double value)
    {
        if (Group.DimX == 1)
            return value;
        Put(value);
        int length = (Group.DimX + Parts - 1) / Parts;
        if (Group.IdxX < Parts)
        {
            double part = 0;
            int end = Math.Min((Group.IdxX + 1) * length, Group.DimX);
            for (int i = Group.IdxX * length; i < end; i++)
                part += _shared[i];
            _shared[MaxThreads + Group.IdxX] = part;
        }

        Group.Barrier();
        double sum = 0;
        for (int i = 0; i < Parts; i++)
            sum += _shared[MaxThreads + i];
        Group.Barrier();
        return sum;
    }

    /// <summary>The largest of every thread's value; NaN counts as nothing.</summary>
    public float Max(float value)
    {
        if (Group.DimX == 1)
            return value;
        Put(value);
        int length = (Group.DimX + Parts - 1) / Parts;
        if (Group.IdxX < Parts)
        {
            double part = float.NegativeInfinity;
            int end = Math.Min((Group.IdxX + 1) * length, Group.DimX);
            for (int i = Group.IdxX * length; i < end; i++)
                part = _shared[i] > part ? _shared[i] : part;
            _shared[MaxThreads + Group.IdxX] = part;
        }

        Group.Barrier();
        double max = float.NegativeInfinity;
        for (int i = 0; i < Parts; i++)
            max = _shared[MaxThreads + i] > max ? _shared[MaxThreads + i] : max;
        Group.Barrier();
        return (float)max;
    }

    /// <summary>The smallest of every thread's whole number.</summary>
    public int Min(int value)
    {
        if (Group.DimX == 1)
            return value;
        Put(value);
        double min = int.MaxValue;
        for (int i = 0; i < Group.DimX; i++)
            min = _shared[i] < min ? _shared[i] : min;
        Group.Barrier();
        return (int)min;
    }

    /// <summary>The sum of the values of the threads before this one, and of all.</summary>
    public double SumBefore(double value, out double all)
    {
        Put(value);
        double before = 0;
        all = 0;
        for (int i = 0; i < Group.DimX; i++)
        {
            before = i == Group.IdxX ? all : before;
            all += _shared[i];
        }

        Group.Barrier();
        return before;
    }

    private void Put(double value)
    {
        _shared[Group.IdxX] = value;
        Group.Barrier();
    }
}
