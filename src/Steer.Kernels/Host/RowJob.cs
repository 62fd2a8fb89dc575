namespace Steer.Kernels.Host;

/// <summary>A kernel whose rows have nothing to do with each other: its arguments, and what it does to one row.</summary>
internal interface IRowKernel
{
    /// <summary>Does one row.</summary>
    void Run(int row);
}

/// <summary>Runs a row kernel: on the caller where it is done in a few microseconds, else in ranges of rows on the team.</summary>
internal sealed class RowJob<TKernel>(ThreadTeam team) : ParallelJob
    where TKernel : struct, IRowKernel
{
    // Nanoseconds of work that pay for waking another thread, about.
    private const long PartCost = 4000;
    private const int PartsPerThread = 4;

    private TKernel _kernel;
    private int _rows;
    private int _parts;

    /// <summary>Runs rows 0 .. rows - 1 that cost about <paramref name="cost"/> nanoseconds each.</summary>
    public void Launch(in TKernel kernel, int rows, long cost)
    {
        _kernel = kernel;
        _rows = rows;
        _parts = (int)Math.Clamp(Math.Min(rows, rows * cost / PartCost), 1, PartsPerThread * team.Threads);
        team.Run(this, _parts);
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        int end = (int)((long)_rows * (part + 1) / _parts);
        for (int row = (int)((long)_rows * part / _parts); row < end; row++)
            _kernel.Run(row);
    }
}
