using System.Text;
using System.Text.Json;

namespace Steer.Runtime.Tokenization;

/// <summary>Reads `normalizer` of tokenizer.json.</summary>
internal static class NormalizerReader
{
    private const int MaxSteps = 64;

    /// <summary>Reads a normaliser by its type.</summary>
    public static Normalizer Read(JsonPart part) => part.Type switch
    {
        "Sequence" => Sequence(part),
        "NFC" => Unicode(part, NormalizationForm.FormC),
        "NFD" => Unicode(part, NormalizationForm.FormD),
        "NFKC" => Unicode(part, NormalizationForm.FormKC),
        "NFKD" => Unicode(part, NormalizationForm.FormKD),
        "Lowercase" => new LowercaseNormalizer(),
        "Prepend" => new PrependNormalizer(part.Required("prepend").Text()),
        "Replace" => Replace(ReadPattern(part.Required("pattern")), part.Required("content").Text(), part),
        "Strip" => new StripNormalizer(part.Flag("strip_left", true), part.Flag("strip_right", true)),
        "StripAccents" => new StripAccentsNormalizer(),
        "Precompiled" => Precompiled(part),
        var type =>
            throw part.Unknown("normalizer", type, "Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, StripAccents, Precompiled"),
    };

    /// <summary>Reads a pattern, {"String": ...} or {"Regex": ...}.</summary>
    public static SplitPattern ReadPattern(JsonPart part)
    {
        if (part.Element.ValueKind == JsonValueKind.String)
            return SplitPattern.Literal(part.Text());
        return part.Member("String") is { } text ? SplitPattern.Literal(text.Text()) : SplitPattern.Regex(part.File, part.Required("Regex").Text());
    }

    private static SequenceNormalizer Sequence(JsonPart part)
    {
        var steps = part.Required("normalizers").Items().Select(Read).ToList();
        return steps.Count <= MaxSteps ? new SequenceNormalizer(steps) : throw part.Error($"more than {MaxSteps} steps");
    }

    private static UnicodeNormalizer Unicode(JsonPart part, NormalizationForm form) => UnicodeNormalizer.IsAvailable
        ? new UnicodeNormalizer(form)
        : throw part.Error($"{part.Type} needs ICU, which this process runs without; install libicu and unset DOTNET_SYSTEM_GLOBALIZATION_INVARIANT");

    private static Normalizer Replace(SplitPattern pattern, string content, JsonPart part) =>
        part.Required("pattern") is { Element.ValueKind: JsonValueKind.Object } written && written.Member("String")?.Text() is { Length: 1 } from
        && content.Length == 1
            ? new ReplaceCharNormalizer(from[0], content[0])
            : new ReplaceNormalizer(pattern, content);

    private static PrecompiledNormalizer Precompiled(JsonPart part)
    {
        var map = part.Required("precompiled_charsmap");
        return map.Element.TryGetBytesFromBase64(out var bytes)
            ? new PrecompiledNormalizer(PrecompiledCharsMap.Read(part.File, bytes))
            : throw map.Error("is not base64");
    }
}
