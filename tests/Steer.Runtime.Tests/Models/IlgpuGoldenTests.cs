using Steer.Runtime.Engine;

namespace Steer.Runtime.Tests.Models;

/// <summary>The same engine on the ILGPU device (ILGPU's CPU accelerator): greedy tokens of every architecture equal those of transformers.</summary>
public class IlgpuGoldenTests
{
    public static TheoryData<string> Models => new(GoldenFiles.Folders("models"));

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Greedy_tokens_equal_those_of_transformers(string model)
    {
        string folder = GoldenFiles.Find($"models/{model}");
        using var engine = SteerEngine.Load(new EngineOptions { Base = folder, MaxBatch = 4, Device = "ilgpu-cpu" });
        await GreedyCheck.Run(engine, folder);
    }
}
