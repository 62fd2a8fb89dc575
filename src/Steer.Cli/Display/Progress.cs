using System.Diagnostics;
using System.Globalization;
using Steer.Runtime;
using Steer.Runtime.Engine;

namespace Steer.Cli.Display;

/// <summary>
/// What a person who waits sees on the error stream: one line that is drawn over and over in a terminal, a plain line now and then elsewhere.
/// Results and notes go through here, so that they never mix with it.
/// </summary>
internal sealed class Progress : IDisposable
{
    private static readonly TimeSpan RedrawEvery = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan PlainLineEvery = TimeSpan.FromSeconds(10);

    private readonly Terminal _terminal;
    private readonly bool _quiet;
    private readonly bool _live;
    private readonly HashSet<string> _notes = [];
    private readonly Lock _lock = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Timer? _timer;
    private SteerEngine? _engine;
    private string _loading = "";
    private int _total;
    private int _finished;
    private TimeSpan _started;
    private bool _drawn;

    public Progress(Terminal terminal, bool quiet)
    {
        _terminal = terminal;
        _quiet = quiet;
        _live = !quiet && terminal.ErrorIsTerminal && terminal.Display.Profile.Capabilities.Ansi;
        var every = _live ? RedrawEvery : PlainLineEvery;
        _timer = quiet ? null : new Timer(_ => Tick(), null, every, every);
    }

    /// <summary>Texts finished.</summary>
    public int Finished => _finished;

    /// <summary>Time since the program began its work.</summary>
    public TimeSpan Elapsed => _clock.Elapsed;

    /// <summary>Loads an engine, shows how far that is, and notes its warnings.</summary>
    /// <exception cref="SteerException">It cannot be loaded; one line says what to do.</exception>
    /// <exception cref="OperationCanceledException">The user ended the program meanwhile.</exception>
    public SteerEngine Load(EngineOptions options, CancellationToken stop)
    {
        var engine = SteerEngine.Load(options, (path, share) =>
        {
            stop.ThrowIfCancellationRequested();
            string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(path));
            lock (_lock)
                _loading = string.Create(CultureInfo.InvariantCulture, $"loading {share:0%} of {name}");
        });
        Doing("", 0);
        foreach (string warning in engine.Warnings)
            Note(warning);
        return engine;
    }

    /// <summary>Something else is being done; the share of it that is done goes from 0 to 1. Nothing is shown for an empty text.</summary>
    public void Doing(string what, double share)
    {
        lock (_lock)
            _loading = share > 0 && what.Length > 0 ? string.Create(CultureInfo.InvariantCulture, $"{share:0%}, {what}") : what;
    }

    /// <summary>Loading is over and <paramref name="total"/> texts begin.</summary>
    public void Begin(SteerEngine engine, int total)
    {
        lock (_lock)
        {
            (_engine, _total, _started) = (engine, total, _clock.Elapsed);
            _loading = "";
        }
    }

    /// <summary>Writes the result of one more text.</summary>
    public void Finish(Action write)
    {
        lock (_lock)
        {
            Erase();
            write();
            _finished++;
        }
    }

    /// <summary>Tells something once, however often it is said; also when quiet, because it is about what the results are.</summary>
    public void Note(string line)
    {
        lock (_lock)
        {
            if (!_notes.Add(line))
                return;
            Erase();
            _terminal.Error.WriteLine("steer: note: " + line);
        }
    }

    /// <summary>Ends the line; later ticks draw nothing.</summary>
    public void Dispose()
    {
        _timer?.Dispose();
        lock (_lock)
        {
            Erase();
            _engine = null;
            _loading = "";
        }
    }

    private void Tick()
    {
        lock (_lock)
        {
            string line = _engine is null ? _loading : Describe(_engine.Statistics);
            if (line.Length == 0)
                return;
            if (_live)
                Draw(line);
            else
                _terminal.Error.WriteLine("steer: " + line);
        }
    }

    private string Describe(EngineStatistics statistics)
    {
        double seconds = (_clock.Elapsed - _started).TotalSeconds;
        long tokens = statistics.GeneratedTokens > 0 ? statistics.GeneratedTokens : statistics.PrefillRows; // drawn, or read where texts are scored
        string line = string.Create(
            CultureInfo.InvariantCulture, $"{_finished:n0} of {Figures.Count(_total, "text")}, {tokens / Math.Max(seconds, 1e-3):n0} tokens/s");
        return _finished == 0 ? line : $"{line}, {Figures.Duration(seconds / _finished * (_total - _finished))} left";
    }

    private void Draw(string line)
    {
        int room = _terminal.Width - 1;
        if (_total > 0 && room - line.Length > 12)
            line = Bar(Math.Min(24, room - line.Length - 2)) + "  " + line;
        Erase();
        _terminal.Error.Write(line.Length <= room ? line : line[..room]);
        _drawn = true;
    }

    private string Bar(int width)
    {
        int done = (int)((long)width * _finished / _total);
        return new string('━', done) + new string('─', width - done);
    }

    private void Erase()
    {
        if (_drawn)
            _terminal.Error.Write("\r\e[2K");
        _drawn = false;
    }
}
