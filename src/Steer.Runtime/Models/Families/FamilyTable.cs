using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>The architectures that can be loaded. A family is a function from config.json to a <see cref="ModelPlan"/>.</summary>
internal static class FamilyTable
{
    private sealed record Family(string Architecture, string ModelType, Func<ConfigFields, ModelPlan> Plan);

    private static readonly Family[] Families =
    [
        new("LlamaForCausalLM", "llama", Llama.Plan),
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
        return plan with { Config = plan.Config with { Architecture = family.Architecture } };
    }
}
