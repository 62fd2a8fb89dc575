using Steer.Runtime.Checkpoints;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Models;

/// <summary>
/// Every architecture against the logits and greedy tokens that transformers computed in float32 (eager attention) from the same
/// checkpoint; adapters against peft. See goldens/PROVENANCE.txt.
/// </summary>
public class ModelGoldenTests
{
    /// <summary>
    /// Largest difference allowed, as a share of the standard deviation of the logits. Both sides are float32 and add in different orders;
    /// the models have three layers of width 64, so rounding leaves a few parts in 10^6, and 2e-4 is far below what a wrong formula gives.
    /// </summary>
    private const double Tolerance = 2e-4;

    /// <summary>
    /// The one golden that holds a slip of its reference, see <see cref="Falcon_RW_equals_the_eager_path_of_transformers_once_its_slip_is_made"/>.
    /// </summary>
    private const string FalconRw = "falcon-rw-like";

    public static TheoryData<string> Models => new(GoldenFiles.Folders("models"));

    public static TheoryData<string> LogitModels => new(GoldenFiles.Folders("models").Where(m => m != FalconRw));

    public static TheoryData<string> Adapters => new(GoldenFiles.Folders("adapters"));

    [Theory]
    [MemberData(nameof(LogitModels))]
    public async Task Logits_equal_those_of_transformers(string model)
    {
        string folder = GoldenFiles.Find($"models/{model}");
        using var engine = SteerEngine.Load(new EngineOptions { Base = folder, MaxBatch = 4 });
        await CheckLogits(engine, folder, Variant.Base);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Greedy_tokens_equal_those_of_transformers(string model)
    {
        string folder = GoldenFiles.Find($"models/{model}");
        using var engine = SteerEngine.Load(new EngineOptions { Base = folder, MaxBatch = 4 });
        await GreedyCheck.Run(engine, folder);
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public async Task Adapter_logits_equal_those_of_peft(string adapter)
    {
        string folder = GoldenFiles.Find($"adapters/{adapter}");
        using var engine = SteerEngine.Load(new EngineOptions { Base = BaseOf(folder), Expert = folder, MaxBatch = 4 });
        await CheckLogits(engine, folder, Variant.Expert);
    }

    /// <summary>
    /// Falcon with ALiBi: transformers 4.57's eager path adds the bias twice, once inside the causal mask that its model builds and once more in
    /// its attention; its default (sdpa) path and the code published with the models add it once, as Steer does. Doubled, the slopes give the
    /// stored logits of the eager path, which shows that the second bias is all the difference.
    /// </summary>
    [Fact]
    public void Falcon_RW_equals_the_eager_path_of_transformers_once_its_slip_is_made()
    {
        if (!GoldenFiles.Exists($"models/{FalconRw}"))
            return;
        string folder = GoldenFiles.Find($"models/{FalconRw}");
        using var checkpoint = Checkpoint.Open(folder);
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        float[] stored = expected.ReadFloats("logits");
        int[][] ids = GreedyCheck.Rows(expected, "input_ids");
        float[] once = [.. ids.SelectMany(row => DecoderRun.Logits(checkpoint.Config, checkpoint.Tensors, row))];
        var doubled = checkpoint.Config with { AlibiSlopes = [.. checkpoint.Config.AlibiSlopes!.Select(s => 2 * s)] };
        float[] twice = [.. ids.SelectMany(row => DecoderRun.Logits(doubled, checkpoint.Tensors, row))];

        double deviation = StandardDeviation(stored);
        Assert.True(stored.Zip(twice).Max(p => Math.Abs(p.First - p.Second)) < Tolerance * deviation);
        Assert.True(stored.Zip(once).Max(p => Math.Abs(p.First - p.Second)) > 0.1 * deviation, "The reference was mended: hold it as the others are.");
    }

    /// <summary>The model for which an adapter was made.</summary>
    internal static string BaseOf(string adapterFolder)
    {
        using var config = System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(adapterFolder, "adapter_config.json")));
        return GoldenFiles.Find($"models/{Path.GetFileName(config.RootElement.GetProperty("base_model_name_or_path").GetString()!)}");
    }

    /// <summary>The logits of every position of a golden's sequences.</summary>
    internal static async Task CheckLogits(SteerEngine engine, string folder, Variant variant)
    {
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        int[][] ids = GreedyCheck.Rows(expected, "input_ids");
        float[] logits = expected.ReadFloats("logits");
        int vocab = (int)expected.Tensor("logits").Shape[^1];

        // A last token is needed to ask for the logits after the last position; which one does not matter.
        var requests = ids.Select(row => new ScoreRequest { PromptIds = [row[0]], CompletionIds = [.. row[1..], 0], Model = variant, KeepLogits = true });
        double deviation = StandardDeviation(logits), worst = 0;
        int at = 0;
        await foreach (var score in engine.ScoreAsync(requests))
        {
            foreach (float[] row in score.Logits!)
            {
                Assert.Equal(vocab, row.Length);
                foreach (float logit in row)
                    worst = Math.Max(worst, Math.Abs((double)logit - logits[at++]));
            }
        }

        Assert.Equal(logits.Length, at);
        Assert.True(worst < Tolerance * deviation, $"Largest difference {worst:g3} is {worst / deviation:g3} of the logits' standard deviation.");
    }

    private static double StandardDeviation(float[] values)
    {
        double mean = values.Average(x => (double)x);
        return Math.Sqrt(values.Average(x => (x - mean) * (x - mean)));
    }
}
