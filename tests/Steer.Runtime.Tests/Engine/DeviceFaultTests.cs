using System.Collections;
using ILGPU.Runtime;
using Steer.Kernels.Gpu;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Tests.Engine;

/// <summary>A device without room for what was asked, and a device that fails: one line, and no more harm than must be.</summary>
public class DeviceFaultTests
{
    private static readonly EngineOptions Options = new() { Base = Path.Combine(GoldenFiles.Weights, "base"), MaxBatch = 4, Device = "ilgpu-cpu" };

    private static readonly GenerationRequest Request = new()
    {
        Prompt = "The star", Sampling = new SamplingParams { MaxTokens = 4, Temperature = 0, IgnoreEos = true },
    };

    [Fact]
    public async Task Where_the_cache_does_not_fit_it_is_made_smaller_and_texts_are_the_same()
    {
        const long asked = 192 << 20, room = 128 << 20;
        using var roomy = SteerEngine.Load(Options);
        using var tight = SteerEngine.Load(Options with { Memory = asked }, IlgpuDevice.Create("ilgpu-cpu", room));
        string warning = Assert.Single(tight.Warnings);
        Assert.Contains("no room for 201 MB", warning, StringComparison.Ordinal);
        Assert.Empty(roomy.Warnings);
        Assert.Contains(tight.Statistics.KvCacheBytes, new[] { asked / 2, asked / 4 });
        Assert.Equal(await Tokens(roomy), await Tokens(tight));
    }

    [Fact]
    public void Where_nothing_fits_one_line_says_so()
    {
        var error = Assert.Throws<SteerException>(() => SteerEngine.Load(Options, IlgpuDevice.Create("ilgpu-cpu", 1_000_000)));
        Assert.Contains("memory", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    /// <summary>With ever less room the runner fails at one part after another; after each failure, and at the end, all the room is there again.</summary>
    [Fact]
    public void What_does_not_fit_gives_back_what_it_took()
    {
        const int room = 60_000_000;
        int failures = 0;
        using var device = IlgpuDevice.Create("ilgpu-cpu", room);
        using (var models = ModelSet.Load(Options, device, progress: null))
        {
            var limits = new StepLimits(Options.MaxBatch, device.FillingRows, MaxContexts: 64, MaxSteps: 2);
            for (int taken = 0; taken < room - 12_000_000; taken += 1_000_000)
            {
                using var others = device.Allocate<byte>(taken + 1);
                try
                {
                    new ModelRunner(device, models, numBlocks: 64, limits).Dispose();
                }
                catch (OutOfMemoryException)
                {
                    failures++;
                }
            }
        }

        Assert.InRange(failures, 5, 40);
        using var all = device.Allocate<byte>(room);
    }

    [Fact]
    public void A_fault_while_weights_are_loaded_is_one_line()
    {
        var error = Assert.Throws<SteerException>(() => SteerEngine.Load(Options, (_, _) => throw new LostException()));
        Assert.Contains("the device failed (the card fell off the bus)", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, "the device failed (the card fell off the bus)")]
    [InlineData(true, "too little memory for what a step needs")]
    public async Task A_fault_while_texts_are_made_fails_them_and_all_that_follow_with_one_line(bool outOfMemory, string line)
    {
        using var engine = SteerEngine.Load(Options);
        var faulty = Request with { Prompt = null, PromptIds = new FaultyTokens(outOfMemory ? new OutOfMemoryException() : new LostException()) };
        foreach (var request in new[] { faulty, Request })
        {
            var error = await Assert.ThrowsAsync<SteerException>(async () =>
            {
                await foreach (var unused in engine.GenerateAsync([request]))
                    Assert.Fail("A text came from a device that is lost.");
            });
            Assert.Contains(line, error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    private static async Task<IReadOnlyList<int>> Tokens(SteerEngine engine)
    {
        await foreach (var result in engine.GenerateAsync([Request]))
            return result.TokenIds;
        throw new InvalidOperationException("No text came.");
    }

    private sealed class LostException() : AcceleratorException("the card fell off the bus")
    {
        public override AcceleratorType AcceleratorType => AcceleratorType.Cuda;
    }

    /// <summary>A prompt that is well until the engine's thread reads it to lay a batch: there a fault of the device would come.</summary>
    private sealed class FaultyTokens(Exception fault) : IReadOnlyList<int>
    {
        public int Count => 3;

        public int this[int index] => Thread.CurrentThread.Name == "steer engine" ? throw fault : 5;

        public IEnumerator<int> GetEnumerator() => Enumerable.Repeat(5, Count).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
