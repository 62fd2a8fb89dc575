namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>LoRA adapters in GGUF files.</summary>
internal static class GgufAdapter
{
    /// <summary>Whether a file holds an adapter.</summary>
    public static bool IsAdapter(GgufFile file) => file.Metadata.TextOrNull("general.type") == "adapter";
}
