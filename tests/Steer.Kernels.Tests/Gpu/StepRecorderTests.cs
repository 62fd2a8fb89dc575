using Steer.Kernels.Gpu;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>When a repeated step runs as it is, is recorded, and is replayed; with a driver that writes down what it is asked.</summary>
public sealed class StepRecorderTests
{
    private static readonly StepKey One = new(1, 2), Two = new(1, 3);

    [Fact]
    public void The_first_step_runs_the_second_is_recorded_and_all_others_are_replayed()
    {
        var driver = new Driver();
        using var recorder = new StepRecorder(driver);
        recorder.Repeat(One, 4, driver.Step);
        recorder.Repeat(new StepKey(1, 2), 2, driver.Step);
        Assert.Equal("step begin step end launch1 launch1 launch1 launch1 launch1", driver.Log);
    }

    [Fact]
    public void Each_key_has_its_own_recording()
    {
        var driver = new Driver();
        using var recorder = new StepRecorder(driver);
        recorder.Repeat(One, 2, driver.Step);
        recorder.Repeat(Two, 1, driver.Step);
        recorder.Repeat(Two, 1, driver.Step);
        recorder.Repeat(One, 1, driver.Step);
        Assert.Equal("step begin step end launch1 step begin step end launch2 launch1", driver.Log);
    }

    [Fact]
    public void What_is_forgotten_is_given_back_and_recorded_anew()
    {
        var driver = new Driver();
        using var recorder = new StepRecorder(driver);
        recorder.Repeat(One, 2, driver.Step);
        recorder.Forget();
        recorder.Repeat(One, 2, driver.Step);
        Assert.Equal("step begin step end launch1 destroy1 step begin step end launch2", driver.Log);
    }

    [Fact]
    public void A_driver_that_cannot_record_is_not_asked_again()
    {
        var driver = new Driver { Fails = true };
        using var recorder = new StepRecorder(driver);
        recorder.Repeat(One, 3, driver.Step);
        Assert.Equal("step begin step end step step", driver.Log);
    }

    [Fact]
    public void Recordings_do_not_grow_without_end()
    {
        var driver = new Driver();
        using var recorder = new StepRecorder(driver);
        for (int i = 0; i <= StepRecorder.MaxGraphs; i++)
            recorder.Repeat(new StepKey(i), 2, driver.Step);
        Assert.Equal(1, driver.Alive);
    }

    [Fact]
    public void Only_the_first_step_of_a_key_may_allocate_and_copy()
    {
        using IlgpuDevice device = IlgpuDevice.Create("ilgpu-cpu");
        using DeviceBuffer<int> buffer = device.Allocate<int>(4);
        Action[] forbidden =
        [
            () => buffer.Upload([1]), () => buffer.Download(new int[1]), () => device.Allocate<int>(1).Dispose(), device.Synchronize,
        ];
        for (int i = 0; i < forbidden.Length; i++)
        {
            Action step = forbidden[i];
            device.Repeat(new StepKey(i), 1, step);
            Assert.Throws<InvalidOperationException>(() => device.Repeat(new StepKey(i), 1, step));
            step();
        }
    }

    private sealed class Driver : IGraphDriver
    {
        private readonly List<string> _log = [];
        private nint _last;

        public bool Fails { get; init; }

        public int Alive { get; private set; }

        public string Log => string.Join(' ', _log);

        public void Step() => _log.Add("step");

        public void Begin() => _log.Add("begin");

        public nint End()
        {
            _log.Add("end");
            if (Fails)
                return 0;
            Alive++;
            return ++_last;
        }

        public void Launch(nint graph) => _log.Add($"launch{graph}");

        public void Destroy(nint graph)
        {
            _log.Add($"destroy{graph}");
            Alive--;
        }
    }
}
