using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Runs;

/// <summary>
/// All texts of a run: n for each prompt. Each is a request of its own, with its own seed and, drawn by that seed, its own negatives.
/// </summary>
internal sealed record GenerationRun(
    ModelChoice Models, IReadOnlyList<Prompt> Prompts, NegativeSource Negatives, GuidanceParams Guidance, SamplingParams Sampling, string? Context,
    Conversation? Chat, ulong Seed)
{
    /// <summary>Texts.</summary>
    public int Count { get; } = Total(Prompts.Count, Sampling.N);

    /// <summary>Throws what a prompt would throw later, before any work is done.</summary>
    /// <exception cref="SteerException">A prompt is empty, too long or holds unknown tokens; names where it came from.</exception>
    public void Check(SteerEngine engine)
    {
        // What has nothing to do with prompts first, so that only what has names one.
        engine.Check(Negatives.AddTo(Request(new Prompt(null, [0], ""), Seed)));
        foreach (var prompt in Prompts)
        {
            if (prompt.Text is { Length: 0 })
                throw new SteerException($"{prompt.Source}: the prompt is empty. Give text to continue.");
            try
            {
                engine.Check(Request(prompt, Seed));
            }
            catch (SteerException e)
            {
                throw new SteerException($"{prompt.Source}: {e.Message}", e);
            }
        }
    }

    /// <summary>The requests, one for each text.</summary>
    public IEnumerable<GenerationRequest> Requests()
    {
        for (int text = 0; text < Count; text++)
            yield return Negatives.AddTo(Request(Prompts[text / Sampling.N], Seeds.Derive(Seed, text)));
    }

    private GenerationRequest Request(Prompt prompt, ulong seed) => new()
    {
        Prompt = Chat is null ? prompt.Text : null,
        PromptIds = prompt.Ids,
        Messages = prompt.Text is { } text ? Chat?.Ask(text) : null,
        TemplateVariables = Chat?.Variables,
        Context = Context,
        Guidance = Guidance,
        Sampling = Sampling with { N = 1 },
        Seed = seed,
    };

    private static int Total(int prompts, int n) => (long)prompts * n <= int.MaxValue
        ? prompts * n
        : throw new SteerException($"{prompts} prompts with {n} texts each are more than a run can hold: split the prompts.");
}
