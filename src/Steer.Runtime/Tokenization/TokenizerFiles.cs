using System.Text;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Runtime.Tokenization;

/// <summary>Finds the tokenizer of a folder and tells files of different kinds apart.</summary>
internal static class TokenizerFiles
{
    /// <summary>Largest file that is read; real ones stay under 50 MB.</summary>
    private const long MaxBytes = 512L << 20;

    private const string Kinds = "tokenizer.json, tokenizer.model, vocab.json with merges.txt, tokenizer.bin, or a .gguf file";

    /// <summary>What a folder's tokenizer may be called, the preferred first.</summary>
    private static readonly string[] Names = ["tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer.bin"];

    /// <summary>Whether a folder holds a file of one of these names, or a GGUF file that a path stands for holds a vocabulary.</summary>
    /// <exception cref="SteerException">The GGUF file is damaged.</exception>
    public static bool AreIn(string path)
    {
        if (Named(path) is not null)
            return true;
        if (GgufFile.Find(path) is not { } gguf)
            return false;
        using var file = GgufFile.Open(gguf);
        return GgufVocabulary.IsIn(file);
    }

    /// <summary>Loads from a folder or a file.</summary>
    /// <exception cref="SteerException">There is none, or it is damaged.</exception>
    public static TokenizerParts Load(string path)
    {
        if (Named(path) is null && GgufFile.Find(path) is { } gguf)
        {
            using var file = GgufFile.Open(gguf);
            return GgufVocabulary.Read(file);
        }

        if (Directory.Exists(path))
            return LoadFile(FindIn(path), TokenizerConfig.Read(path));
        if (!File.Exists(path))
            throw new SteerException($"{path}: no such file or folder; name a folder with {Kinds}, or one of these files");
        return LoadFile(path, TokenizerConfig.Read(Path.GetDirectoryName(Path.GetFullPath(path))!));
    }

    /// <summary>Reads a whole file of a sensible size.</summary>
    /// <exception cref="SteerException">It can not be read, is too large, or stands for the file itself.</exception>
    public static byte[] ReadBytes(string file)
    {
        try
        {
            using var stream = GitLfs.OpenRead(file);
            if (stream.CanSeek && stream.Length > MaxBytes)
                throw new SteerException($"{file}: has {stream.Length} bytes, too many for a tokenizer");
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            return bytes.ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SteerException($"{file}: can not be read: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }

    private static string FindIn(string folder)
    {
        if (Named(folder) is { } file)
            return file;

        // Checkpoints of llama2.c have theirs beside them by the vocabulary's size, such as tok512.bin.
        return Directory.GetFiles(folder, "tok*.bin") is [var only] ? only : throw new SteerException($"{folder}: has no tokenizer: {Kinds}");
    }

    private static string? Named(string folder) => Names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static TokenizerParts LoadFile(string file, TokenizerConfig config)
    {
        var bytes = ReadBytes(file);
        var name = Path.GetFileName(file);
        switch (Path.GetExtension(file))
        {
            case ".json" when name is "vocab.json" or "encoder.json":
                var merges = Path.Combine(Path.GetDirectoryName(file)!, name == "vocab.json" ? "merges.txt" : "vocab.bpe");
                return WithTemplate(Gpt2Files.Read(file, bytes, merges, ReadText(merges), config.SpecialTokens), config);
            case ".json":
                return WithNames(TokenizerJson.Read(file, bytes), config);
            case ".tiktoken":
                return Gpt2Files.ReadTiktoken(file, ReadText(file));
            case ".bin":
                return Llama2cVocabulary.Read(file, bytes);
            default:
                return name.Contains(".model", StringComparison.Ordinal)
                    ? WithTemplate(SentencePieceFile.Read(file, bytes), config)
                    : throw new SteerException($"{file}: not a tokenizer of a known kind: {Kinds}");
        }
    }

    private static string ReadText(string file)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(ReadBytes(file));
        }
        catch (DecoderFallbackException e)
        {
            throw new SteerException($"{file}: is not UTF-8 text; the file is damaged", e);
        }
    }

    private static TokenizerParts WithNames(TokenizerParts parts, TokenizerConfig config) => parts with
    {
        BosId = Find(parts, config.BosToken) ?? parts.BosId,
        EosId = Find(parts, config.EosToken) ?? parts.EosId,
    };

    /// <summary>Vocabularies without a template of their own take it from the configuration.</summary>
    private static TokenizerParts WithTemplate(TokenizerParts parts, TokenizerConfig config)
    {
        parts = WithNames(parts, config);
        return parts with
        {
            Prefix = config.AddBosToken is { } addBos ? Optional(addBos ? parts.BosId : null) : parts.Prefix,
            Suffix = config.AddEosToken is { } addEos ? Optional(addEos ? parts.EosId : null) : parts.Suffix,
        };
    }

    private static int[] Optional(int? id) => id is { } present ? [present] : [];

    private static int? Find(TokenizerParts parts, string? token) => token is null ? null : parts.Vocabulary.IdOf(token);
}
