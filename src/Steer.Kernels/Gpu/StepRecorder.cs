namespace Steer.Kernels.Gpu;

/// <summary>Records the launches of a stream instead of running them, and launches what was recorded as one.</summary>
internal interface IGraphDriver
{
    /// <summary>From here on launches are recorded.</summary>
    void Begin();

    /// <summary>Ends the recording; 0 where it could not be made.</summary>
    nint End();

    /// <summary>Queues all that was recorded.</summary>
    void Launch(nint graph);

    /// <summary>Gives a recording back.</summary>
    void Destroy(nint graph);
}

/// <summary>
/// Repeats steps, see <see cref="Device.Repeat"/>. The first step of a key runs as it is (kernels are compiled and workspaces taken at their first
/// use); the second is recorded where there is a driver for that, and from then on replayed.
/// </summary>
/// <param name="driver">Null where steps cannot be recorded: then each is launched kernel by kernel.</param>
internal sealed class StepRecorder(IGraphDriver? driver) : IDisposable
{
    /// <summary>Most recordings kept: each holds a few hundred launches.</summary>
    internal const int MaxGraphs = 64;

    private readonly HashSet<StepKey> _warm = [];
    private readonly Dictionary<StepKey, nint> _graphs = [];
    private IGraphDriver? _driver = driver;

    /// <summary>A step runs, or is recorded, that must allocate and copy nothing.</summary>
    public bool IsStrict { get; private set; }

    /// <summary>Runs a step a number of times.</summary>
    public void Repeat(StepKey key, int times, Action step)
    {
        int done = 0;
        if (times > 0 && !_warm.Contains(key))
        {
            step();
            _warm.Add(key);
            done++;
        }

        for (; done < times; done++)
        {
            if (_driver is null)
                RunStrictly(step);
            else if (_graphs.TryGetValue(key, out nint graph) || TryRecord(key, step, out graph))
                _driver.Launch(graph);
            else
                RunStrictly(step);
        }
    }

    /// <summary>Forgets all that was recorded: memory that it names has moved.</summary>
    public void Forget()
    {
        foreach (nint graph in _graphs.Values)
            _driver?.Destroy(graph);
        _graphs.Clear();
        _warm.Clear();
    }

    public void Dispose() => Forget();

    private bool TryRecord(StepKey key, Action step, out nint graph)
    {
        if (_graphs.Count == MaxGraphs)
        {
            foreach (nint old in _graphs.Values)
                _driver!.Destroy(old);
            _graphs.Clear();
        }

        _driver!.Begin();
        try
        {
            RunStrictly(step);
        }
        finally
        {
            graph = _driver.End();
        }

        if (graph == 0)
        {
            // What this driver cannot record once it cannot record at all.
            _driver = null;
            return false;
        }

        _graphs.Add(key, graph);
        return true;
    }

    private void RunStrictly(Action step)
    {
        IsStrict = true;
        try
        {
            step();
        }
        finally
        {
            IsStrict = false;
        }
    }
}
