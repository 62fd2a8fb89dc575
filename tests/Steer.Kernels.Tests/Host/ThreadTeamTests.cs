using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Host;

/// <summary>The thread team: every part once, whatever the workers are doing when a launch comes.</summary>
public sealed class ThreadTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_part_runs_once(int threads)
    {
        using var team = new ThreadTeam(threads);
        var job = new CountingJob(300);
        var expected = new int[300];
        for (int launch = 0; launch < 3000; launch++)
        {
            int parts = launch % 300;
            team.Run(job, parts);
            for (int part = 0; part < parts; part++)
                expected[part]++;
            // The results of a launch are there when Run returns, not some time later.
            if (launch % 100 == 0)
                Assert.Equal(expected, job.Counts);
        }

        Assert.Equal(expected, job.Counts);
    }

    [Fact]
    public void Workers_that_went_to_sleep_are_woken()
    {
        using var team = new ThreadTeam(3);
        var job = new MeetingJob(3);
        for (int launch = 0; launch < 5; launch++)
        {
            // Far beyond the time for which a worker spins.
            Thread.Sleep(20);
            // Each part waits for the others: without all three threads this would never end.
            team.Run(job, 3);
        }

        Assert.Equal(15, job.Meetings);
    }

    [Fact]
    public void One_thread_runs_the_parts_in_order_on_the_caller()
    {
        using var team = new ThreadTeam(1);
        var job = new OrderJob();
        team.Run(job, 4);
        Assert.Equal([0, 1, 2, 3], job.Parts);
        Assert.All(job.ThreadIds, id => Assert.Equal(Environment.CurrentManagedThreadId, id));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void An_exception_of_a_part_reaches_the_caller_and_the_team_goes_on(int threads)
    {
        using var team = new ThreadTeam(threads);
        for (int i = 0; i < 50; i++)
            Assert.Equal("part 7", Assert.Throws<InvalidOperationException>(() => team.Run(new FailingJob(7), 20)).Message);
        var job = new CountingJob(20);
        team.Run(job, 20);
        Assert.All(job.Counts, count => Assert.Equal(1, count));
    }

    [Fact]
    public void Launches_allocate_nothing_on_any_thread()
    {
        using var team = new ThreadTeam(3);
        var (work, allocated) = (new CountingJob(50), new AllocationJob(team));
        team.Run(work, 50);
        allocated.Measure();
        var before = allocated.Measure();
        // The caller's own dictionary of the measurement is not the launches' doing.
        before[Environment.CurrentManagedThreadId] = GC.GetAllocatedBytesForCurrentThread();
        for (int launch = 0; launch < 1000; launch++)
            team.Run(work, 50);
        Assert.Equal(before, allocated.Measure());
        Assert.Equal(3, before.Count);
    }

    [Fact]
    public void Two_teams_work_at_once_each_on_its_own_job()
    {
        const int Launches = 2000;
        var jobs = new[] { new CountingJob(20), new CountingJob(20) };
        using (ThreadTeam first = new(2), second = new(3))
            Parallel.Invoke(() => Launch(first, jobs[0]), () => Launch(second, jobs[1]));
        Assert.All(jobs, job => Assert.All(job.Counts, count => Assert.Equal(Launches, count)));

        static void Launch(ThreadTeam team, CountingJob job)
        {
            for (int i = 0; i < Launches; i++)
                team.Run(job, 20);
        }
    }

    [Fact]
    public void A_disposed_team_refuses_work()
    {
        var team = new ThreadTeam(2);
        team.Dispose();
        team.Dispose();
        Assert.Throws<ObjectDisposedException>(() => team.Run(new CountingJob(1), 1));
    }

    [Fact]
    public void Where_a_thread_cannot_be_had_those_before_it_end()
    {
        var started = new List<Thread>();
        Assert.Throws<OutOfMemoryException>(() => new ThreadTeam(4, worker =>
        {
            if (started.Count == 2)
                throw new OutOfMemoryException("No more threads.");
            worker.Start();
            started.Add(worker);
        }));
        Assert.Equal(2, started.Count);
        Assert.All(started, worker => Assert.False(worker.IsAlive));
    }

    private sealed class CountingJob(int parts) : ParallelJob
    {
        public int[] Counts { get; } = new int[parts];

        public override void Run(int part) => Interlocked.Increment(ref Counts[part]);
    }

    private sealed class MeetingJob(int parts) : ParallelJob
    {
        private readonly Barrier _barrier = new(parts);
        private int _meetings;

        public int Meetings => _meetings;

        public override void Run(int part)
        {
            _barrier.SignalAndWait();
            Interlocked.Increment(ref _meetings);
        }
    }

    private sealed class OrderJob : ParallelJob
    {
        public List<int> Parts { get; } = [];

        public List<int> ThreadIds { get; } = [];

        public override void Run(int part)
        {
            Parts.Add(part);
            ThreadIds.Add(Environment.CurrentManagedThreadId);
        }
    }

    private sealed class FailingJob(int failing) : ParallelJob
    {
        public override void Run(int part)
        {
            if (part == failing)
                throw new InvalidOperationException($"part {part}");
        }
    }
}
