using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Models;

/// <summary>
/// The same engine on the ILGPU device (ILGPU's CPU accelerator): greedy tokens of every architecture equal those of transformers,
/// and logits of every kind of adapter those of peft.
/// </summary>
public class IlgpuGoldenTests
{
    public static TheoryData<string> Models => new(GoldenFiles.Folders("models"));

    public static TheoryData<string> Adapters => new(GoldenFiles.Folders("adapters"));

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Greedy_tokens_equal_those_of_transformers(string model)
    {
        string folder = GoldenFiles.Find($"models/{model}");
        using var engine = SteerEngine.Load(new EngineOptions { Base = folder, MaxBatch = 4, Device = "ilgpu-cpu" });
        await GreedyCheck.Run(engine, folder);
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public async Task Adapter_logits_equal_those_of_peft(string adapter)
    {
        string folder = GoldenFiles.Find($"adapters/{adapter}");
        using var engine = SteerEngine.Load(
            new EngineOptions { Base = ModelGoldenTests.BaseOf(folder), Expert = folder, MaxBatch = 4, Device = "ilgpu-cpu" });
        await ModelGoldenTests.CheckLogits(engine, folder, Variant.Expert);
    }
}
