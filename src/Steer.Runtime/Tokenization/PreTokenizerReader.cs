namespace Steer.Runtime.Tokenization;

/// <summary>Reads `pre_tokenizer` of tokenizer.json into a chain of steps that ends in the model.</summary>
internal static class PreTokenizerReader
{
    private const int MaxSteps = 64;

    private const string Known =
        "Sequence, ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer and CharDelimiterSplit";

    /// <summary>Reads the chain; without pre-tokenizers the model takes the whole text.</summary>
    public static TextStep Read(JsonPart? part, WordModel model)
    {
        var steps = part is null ? [] : Flatten(part).ToList();
        if (steps.Count > MaxSteps || steps.Count(step => step.Type == "ByteLevel") > 1)
            throw part!.Error($"more than {MaxSteps} steps, or more than one ByteLevel");

        // Where the byte alphabet is written last, the model does it, after its cache.
        var byteAlphabet = steps.Count > 0 && steps[^1].Type == "ByteLevel";
        TextStep chain = new ModelStep(model, byteAlphabet);
        for (var i = steps.Count - 1; i >= 0; i--)
            chain = Create(steps[i], chain, mapsBytes: !(byteAlphabet && i == steps.Count - 1));
        return chain;
    }

    private static IEnumerable<JsonPart> Flatten(JsonPart part) =>
        part.Type == "Sequence" ? part.Required("pretokenizers").Items().SelectMany(Flatten) : [part];

    private static TextStep Create(JsonPart part, TextStep next, bool mapsBytes) => part.Type switch
    {
        "ByteLevel" => ByteLevel(part, mapsBytes ? new ByteAlphabetStep(next) : next),
        "Metaspace" => Metaspace(part, next),
        "Split" => Split(part, next),
        "Digits" => new DigitsStep(part.Flag("individual_digits", false), next),
        "Punctuation" => new SplitStep(Punctuation, Behavior(part), invert: false, next),
        "Whitespace" => Whitespace(part, next),
        "WhitespaceSplit" => new SplitStep(Spaces, SplitBehavior.Removed, invert: false, next),
        "BertPreTokenizer" =>
            new SplitStep(Spaces, SplitBehavior.Removed, invert: false, new SplitStep(Punctuation, SplitBehavior.Isolated, invert: false, next)),
        "CharDelimiterSplit" => new SplitStep(SplitPattern.Literal(part.Required("delimiter").Text()), SplitBehavior.Removed, invert: false, next),
        var type => throw part.Unknown("pre-tokenizer", type, Known),
    };

    private static SplitPattern Punctuation => SplitPattern.Characters("punctuation", UnicodeProperties.IsPunctuation);

    private static SplitPattern Spaces => SplitPattern.Characters("white space", UnicodeProperties.IsWhiteSpace);

    private static TextStep ByteLevel(JsonPart part, TextStep next)
    {
        if (part.Flag("use_regex", true))
            next = new WordStep(WordSplitter.Gpt2, next);
        return part.Flag("add_prefix_space", true) ? new PrefixSpaceStep(next) : next;
    }

    private static SplitStep Whitespace(JsonPart part, TextStep next) =>
        new(SplitPattern.Regex(part.File, @"[\w\u200c\u200d]+|[^\w\u200c\u200d\s]+"), SplitBehavior.Removed, invert: true, next);

    private static TextStep Split(JsonPart part, TextStep next)
    {
        var pattern = part.Required("pattern");
        var behavior = Behavior(part);
        var invert = part.Flag("invert", false);

        // Every character is in a match of these, so that the matches alone are the pieces.
        if ((behavior == SplitBehavior.Isolated || (behavior == SplitBehavior.Removed && invert))
            && pattern.Member("Regex")?.Text() is { } regex && WordSplitter.ForPattern(regex) is { } splitter)
            return new WordStep(splitter, next);
        return new SplitStep(NormalizerReader.ReadPattern(pattern), behavior, invert, next);
    }

    private static SplitBehavior Behavior(JsonPart part)
    {
        if (part.Member("behavior") is not { } behavior)
            return SplitBehavior.Isolated;
        var name = behavior.Text();
        return Enum.GetNames<SplitBehavior>().Contains(name)
            ? Enum.Parse<SplitBehavior>(name)
            : throw behavior.Unknown("behavior", name, string.Join(", ", Enum.GetNames<SplitBehavior>()));
    }

    private static MetaspaceStep Metaspace(JsonPart part, TextStep next)
    {
        // Older files have add_prefix_space in place of prepend_scheme.
        var scheme = part.Member("prepend_scheme")?.Text() ?? (part.Flag("add_prefix_space", true) ? "always" : "never");
        var prepend = scheme switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw part.Unknown("prepend_scheme", scheme, "always, first and never"),
        };
        return new MetaspaceStep(Mark(part), prepend, part.Flag("split", true), next);
    }

    /// <summary>The character that Metaspace writes for a space.</summary>
    public static char Mark(JsonPart part)
    {
        var mark = part.Member("replacement")?.Text() ?? "▁";
        return mark.Length == 1 ? mark[0] : throw part.Error("'replacement' must be one character of the basic plane");
    }
}
