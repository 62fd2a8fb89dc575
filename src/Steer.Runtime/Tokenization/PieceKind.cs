namespace Steer.Runtime.Tokenization;

/// <summary>What a token of a SentencePiece model or a GGUF vocabulary is; the values are those of both formats.</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}
