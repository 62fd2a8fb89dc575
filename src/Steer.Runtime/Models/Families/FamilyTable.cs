using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>The architectures that can be loaded. A family is a function from config.json to a <see cref="ModelPlan"/>.</summary>
internal static class FamilyTable
{
    // Kernels hold a head on their stack; none that was published has more than 512.
    private const int MaxHeadDim = 8192;

    private sealed record Family(string Architecture, string ModelType, Func<ConfigFields, ModelPlan> Plan);

    private static readonly Family[] Families =
    [
        new("BloomForCausalLM", "bloom", Bloom.Plan),
        new("CohereForCausalLM", "cohere", Cohere.Plan),
        new("FalconForCausalLM", "falcon", Falcon.Plan),
        new("GemmaForCausalLM", "gemma", Gemma.PlanGemma),
        new("Gemma2ForCausalLM", "gemma2", Gemma.PlanGemma2),
        new("Gemma3ForCausalLM", "gemma3_text", Gemma.PlanGemma3),
        new("GPT2LMHeadModel", "gpt2", Gpt2.Plan),
        new("GPTJForCausalLM", "gptj", GptJ.Plan),
        new("GPTNeoForCausalLM", "gpt_neo", GptNeo.Plan),
        new("GPTNeoXForCausalLM", "gpt_neox", GptNeoX.Plan),
        new("GraniteForCausalLM", "granite", Granite.Plan),
        new("LlamaForCausalLM", "llama", Llama.Plan),
        new("MistralForCausalLM", "mistral", Mistral.Plan),
        new("MixtralForCausalLM", "mixtral", Mixtral.Plan),
        new("Olmo2ForCausalLM", "olmo2", Olmo2.Plan),
        new("OPTForCausalLM", "opt", Opt.Plan),
        new("PhiForCausalLM", "phi", Phi.PlanPhi),
        new("Phi3ForCausalLM", "phi3", Phi.PlanPhi3),
        new("Qwen2ForCausalLM", "qwen2", Qwen.PlanQwen2),
        new("Qwen3ForCausalLM", "qwen3", Qwen.PlanQwen3),
        new("Qwen3MoeForCausalLM", "qwen3_moe", Qwen.PlanQwen3Moe),
        new("SmolLM3ForCausalLM", "smollm3", SmolLm3.Plan),
        new("StableLmForCausalLM", "stablelm", StableLm.Plan),
        new("Starcoder2ForCausalLM", "starcoder2", StarCoder2.Plan),
    ];

    /// <summary>Names in config.json's `architectures`.</summary>
    public static IEnumerable<string> Architectures => Families.Select(f => f.Architecture);

    /// <summary>How to read a checkpoint.</summary>
    /// <exception cref="SteerException">The architecture is not known, or a field is missing or wrong.</exception>
    public static ModelPlan Plan(ConfigFields c)
    {
        if (c.Has("quantization_config"))
            throw c.Error("the weights are quantised (quantization_config); use the model's F32, F16 or BF16 weights.");
        List<string>? names = c.TextsOrNull("architectures");
        Family? family = names is { Count: > 0 }
            ? Families.FirstOrDefault(f => names.Contains(f.Architecture))
            : Families.FirstOrDefault(f => f.ModelType == c.TextOrNull("model_type"));
        if (family is null)
        {
            string name = names?.FirstOrDefault() ?? c.TextOrNull("model_type") ?? "(none)";
            throw c.Error($"the architecture {name} is not known; known are {string.Join(", ", Architectures)}.");
        }

        ModelPlan plan = family.Plan(c);
        DecoderConfig config = plan.Config with { Architecture = family.Architecture };
        c.Fit("the number of heads", ((long)config.NumHeads + 2 * config.NumKvHeads) * config.HeadDim);
        if (config.HeadDim > MaxHeadDim)
            throw c.Error($"makes heads of {config.HeadDim} numbers; at most {MaxHeadDim} are supported.");
        c.Fit("the feed-forward width", 2L * Math.Max(config.IntermediateSize, config.DenseIntermediateSize));
        return plan with { Config = config };
    }
}
