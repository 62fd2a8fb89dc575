namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>What a token of a GGUF vocabulary is; the values are SentencePiece's.</summary>
internal enum GgufTokenKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}
