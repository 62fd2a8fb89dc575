namespace Steer.Runtime.Tokenization;

/// <summary>Reads `decoder` of tokenizer.json.</summary>
internal static class DecoderReader
{
    private const int MaxSteps = 64;

    // Replacements that feed each other could otherwise make a text of any length from one token.
    private const int MaxReplaceSteps = 4;
    private const int MaxReplacement = 4;

    /// <summary>Reads the steps, first one first.</summary>
    public static List<DecoderSpec> Read(JsonPart part)
    {
        var steps = Flatten(part).Select(Create).ToList();
        return steps.Count <= MaxSteps && steps.OfType<ReplaceDecoder>().Count() <= MaxReplaceSteps
            ? steps
            : throw part.Error($"more than {MaxSteps} steps, or {MaxReplaceSteps} that replace");
    }

    private static IEnumerable<JsonPart> Flatten(JsonPart part) =>
        part.Type == "Sequence" ? part.Required("decoders").Items().SelectMany(Flatten) : [part];

    private static DecoderSpec Create(JsonPart part) => part.Type switch
    {
        "ByteLevel" => new ByteLevelDecoder(),
        "ByteFallback" => new ByteFallbackDecoder(),
        "Fuse" => new FuseDecoder(),
        "Replace" => Replace(part),
        "Strip" => Strip(part),
        "Metaspace" => Metaspace(part),
        var type => throw part.Unknown("decoder", type, "Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip and Metaspace"),
    };

    private static ReplaceDecoder Replace(JsonPart part)
    {
        var content = part.Required("content").Text();
        return content.Length <= MaxReplacement
            ? new ReplaceDecoder(NormalizerReader.ReadPattern(part.Required("pattern")), content)
            : throw part.Error($"'content' is longer than {MaxReplacement} characters");
    }

    private static StripDecoder Strip(JsonPart part)
    {
        var content = part.Required("content").Text();
        var (start, stop) = (part.Required("start").Integer(), part.Required("stop").Integer());
        return content.Length == 1 && start >= 0 && stop >= 0
            ? new StripDecoder(content[0], start, stop)
            : throw part.Error("Strip needs one character and counts that are not negative");
    }

    private static MetaspaceDecoder Metaspace(JsonPart part)
    {
        var never = part.Member("prepend_scheme")?.Text() is { } scheme ? scheme == "never" : !part.Flag("add_prefix_space", true);
        return new MetaspaceDecoder(PreTokenizerReader.Mark(part), FirstIsPrefix: !never);
    }
}
