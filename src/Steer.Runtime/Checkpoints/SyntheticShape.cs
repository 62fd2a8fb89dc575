namespace Steer.Runtime.Checkpoints;

/// <summary>The sizes of a Llama-like model with random weights, for measurements where no trained ones are at hand.</summary>
/// <param name="Name">As the command line names it.</param>
/// <param name="HiddenSize">Width of the residual stream.</param>
/// <param name="NumLayers">Layers.</param>
/// <param name="NumHeads">Query heads.</param>
/// <param name="NumKvHeads">Key and value heads.</param>
/// <param name="IntermediateSize">Width of the feed-forward block.</param>
/// <param name="VocabSize">Tokens.</param>
/// <param name="TiedEmbeddings">The head is the embedding.</param>
public sealed record SyntheticShape(
    string Name, int HiddenSize, int NumLayers, int NumHeads, int NumKvHeads, int IntermediateSize, int VocabSize, bool TiedEmbeddings)
{
    /// <summary>Tokens of a context.</summary>
    public const int Window = 2048;

    /// <summary>Epsilon of the norms.</summary>
    public const float RmsNormEps = 1e-5f;

    /// <summary>Base of the rotary frequencies.</summary>
    public const float RopeTheta = 10000;

    /// <summary>Known shapes: those of SmolLM 135M, TinyLlama 1.1B and Llama 2 7B, and one that fits any machine.</summary>
    public static IReadOnlyList<SyntheticShape> Known { get; } =
    [
        new("15M", 288, 6, 6, 6, 768, 32000, true),
        new("134M", 576, 30, 9, 3, 1536, 49152, true),
        new("1.1B", 2048, 22, 32, 4, 5632, 32000, false),
        new("7B", 4096, 32, 32, 32, 11008, 32000, false),
    ];

    /// <summary>Width of a head.</summary>
    public int HeadDim => HiddenSize / NumHeads;

    /// <summary>A known shape by name.</summary>
    /// <exception cref="SteerException">There is none of that name.</exception>
    public static SyntheticShape Find(string name) =>
        Known.FirstOrDefault(s => s.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new SteerException($"{name} is no shape that is known: give one of {string.Join(", ", Known.Select(s => s.Name))}.");
}
