using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Mistral (arXiv 2310.06825): Llama with a sliding window on every layer.</summary>
internal static class Mistral
{
    /// <summary>MistralForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        int? window = c.IsNull("sliding_window") ? null : c.PositiveOrNull("sliding_window") ?? 4096;
        return new ModelPlan(StandardConfig.Read(c).WithWindow(c, window, _ => true), new TensorPlan
        {
            NormEpsilon = c.Float("rms_norm_eps", 1e-6f),
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
    }
}
