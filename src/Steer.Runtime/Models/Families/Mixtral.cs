using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Mixtral (arXiv 2401.04088): Mistral with a mixture of experts in every layer.</summary>
internal static class Mixtral
{
    /// <summary>MixtralForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        DecoderConfig config = StandardConfig.Read(c, ropeTheta: 1e6f).WithWindow(c, c.PositiveOrNull("sliding_window"), _ => true)
            .WithExperts(c, c.Size("num_local_experts", 8), c.Size("num_experts_per_tok", 2), normalise: true, _ => true);
        return new ModelPlan(config, new TensorPlan
        {
            NormEpsilon = c.Float("rms_norm_eps", 1e-5f),
            TiedHead = c.Bool("tie_word_embeddings", false),
            Names = new TensorNames
            {
                Router = "block_sparse_moe.gate",
                Experts = "block_sparse_moe.experts",
                ExpertUp = ["w1", "w3"],
                ExpertDown = "w2",
            },
        });
    }
}
