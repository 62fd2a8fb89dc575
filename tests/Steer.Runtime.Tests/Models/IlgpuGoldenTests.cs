using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Models;

/// <summary>
/// The same engine on the devices that ILGPU drives (its CPU accelerator, and GPUs where there are any): greedy tokens of every architecture equal those of transformers,
/// and logits of every kind of adapter those of peft.
/// </summary>
public class IlgpuGoldenTests
{
    public static TheoryData<string, string> Models => TestDevices.With(TestDevices.Ilgpu, GoldenFiles.Folders("models"));

    public static TheoryData<string, string> Adapters => TestDevices.With(TestDevices.Ilgpu, GoldenFiles.Folders("adapters"));

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Greedy_tokens_equal_those_of_transformers(string device, string model)
    {
        string folder = GoldenFiles.Find($"models/{model}");
        using var engine = SteerEngine.Load(new EngineOptions { Base = folder, MaxBatch = 4, Device = device });
        await GreedyCheck.Run(engine, folder);
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public async Task Adapter_logits_equal_those_of_peft(string device, string adapter)
    {
        string folder = GoldenFiles.Find($"adapters/{adapter}");
        using var engine = SteerEngine.Load(
            new EngineOptions { Base = ModelGoldenTests.BaseOf(folder), Expert = folder, MaxBatch = 4, Device = device });
        await ModelGoldenTests.CheckLogits(engine, folder, Variant.Expert);
    }
}
