namespace Steer.Runtime.Tokenization;

/// <summary>Finds the tokenizer of a folder and tells files of different kinds apart.</summary>
internal static class TokenizerFiles
{
    /// <summary>Loads from a folder or a file.</summary>
    public static TokenizerParts Load(string path) =>
        throw new SteerException($"{path}: not a tokenizer that is known");
}
