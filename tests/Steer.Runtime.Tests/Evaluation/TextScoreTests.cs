using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Evaluation;

/// <summary>Perplexity of texts: what scoring their tokens after their prompt gives, under the expert of their kind.</summary>
public sealed class TextScoreTests
{
    private const string Prompt = "State one new hypothesis in astronomy.\nHypothesis:";
    private static readonly string[] Texts = [.. TextFile.Read(Path.Combine(GoldenFiles.Weights, "tasks", "astronomy", "heldout.jsonl")).Take(4)];

    [Fact]
    public async Task Scores_are_those_of_the_tokens_after_the_prompt_with_the_end()
    {
        using var engine = SteerEngine.Load(Options("astronomy"));
        var scores = await TextScores.ComputeAsync(engine, Texts, [.. Texts.Select(_ => new TextOrigin(Prompt, " ") { Expert = Variant.Expert })]);
        Assert.Equal(["expert", "base"], scores.Select(s => s.Model));
        for (int t = 0; t < Texts.Length; t++)
        {
            int[] prompt = engine.Tokenizer!.Encode(Prompt, addSpecialTokens: true), whole = [.. engine.Tokenizer.Encode($"{Prompt} {Texts[t]}", addSpecialTokens: true), engine.EosIds[0]];
            Assert.Equal(prompt, whole[..prompt.Length]);
            var request = new ScoreRequest { PromptIds = prompt, CompletionIds = whole[prompt.Length..], Model = Variant.Expert };
            Assert.Equal((await engine.ScoreAsync([request]).SingleAsync()).LogProb, scores[0].LogProbs[t]);
            Assert.Equal((await engine.ScoreAsync([request with { Model = Variant.Base }]).SingleAsync()).LogProb, scores[1].LogProbs[t]);
            Assert.Equal(whole.Length - prompt.Length, scores[0].Tokens[t]);
        }

        // Without a prompt a text follows the token that begins it.
        var alone = Assert.Single(await TextScores.ComputeAsync(engine, Texts[..1], [new TextOrigin(null)]));
        int[] begin = engine.BosId is { } bos ? [bos] : [];
        int[] text = [.. begin, .. engine.Tokenizer!.Encode(Texts[0], addSpecialTokens: false), engine.EosIds[0]];
        var first = new ScoreRequest { PromptIds = text[..1], CompletionIds = text[1..], Model = Variant.Base };
        Assert.Equal(("base", text.Length - 1), (alone.Model, alone.Tokens[0]));
        Assert.Equal((await engine.ScoreAsync([first]).SingleAsync()).LogProb, alone.LogProbs[0]);
    }

    [Fact]
    public async Task Each_kind_is_scored_under_its_own_expert_and_prompt()
    {
        using var engine = SteerEngine.Load(Options("comments") with { MoreExperts = [Expert("astronomy")] });
        TextOrigin first = new("Write a civil comment.\nComment:", " ") { Expert = Variant.Expert }, second = new(Prompt, " ") { Expert = Variant.MoreExperts };
        var mixed = await TextScores.ComputeAsync(engine, Texts, [first, second, first, second]);

        using var alone = SteerEngine.Load(Options("astronomy"));
        var astronomy = await TextScores.ComputeAsync(alone, Texts, [.. Texts.Select(_ => second with { Expert = Variant.Expert })]);
        Assert.All([1, 3], i => Assert.Equal(astronomy[0].LogProbs[i], mixed[0].LogProbs[i]));
        Assert.All([0, 2], i => Assert.True(mixed[0].LogProbs[i] < astronomy[0].LogProbs[i]));
    }

    private static string Expert(string name) => Path.Combine(GoldenFiles.Weights, "experts", name);

    private static EngineOptions Options(string expert) => new() { Base = Path.Combine(GoldenFiles.Weights, "base"), Expert = Expert(expert), Threads = 1 };
}
