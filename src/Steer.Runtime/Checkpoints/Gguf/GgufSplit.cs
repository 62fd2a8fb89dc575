using System.Globalization;
using System.Text.RegularExpressions;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// The parts that llama.cpp's gguf-split cuts a model into: NAME-00001-of-00003.gguf and so on. The first holds all metadata; each has its own place
/// (split.no, from 0), the number of parts (split.count), that of the tensors in all of them (split.tensors.count), and tensors of its own, of which
/// the first may hold none.
/// </summary>
internal static partial class GgufSplit
{
    // Parts are files to be opened: far more than models have, far fewer than a process may open.
    private const int MaxParts = 1000;

    private const string NumberKey = "split.no";
    private const string CountKey = "split.count";
    private const string TensorsKey = "split.tensors.count";

    /// <summary>By its name alone, the first part of the model that a file is a part of; any other file itself.</summary>
    public static string FirstOf(string path) => Name().Match(path) is { Success: true } name ? Part(name, 0) : path;

    /// <summary>
    /// By its name alone, all parts of the model that a file is the first part of, whether they are there or not; any other file alone.
    /// </summary>
    public static IReadOnlyList<string> PartsOf(string path) =>
        Name().Match(path) is { Success: true } name && NumberIn(name, "number") == 1 && NumberIn(name, "count") is > 1 and <= MaxParts and var count
        ? [path, .. Enumerable.Range(1, count - 1).Select(place => Part(name, place))]
        : [path];

    /// <summary>The other parts of the model that a file begins, in their order; none of a model in one file.</summary>
    /// <exception cref="SteerException">The file is not the first part, or is not named as one.</exception>
    public static IReadOnlyList<string> OthersOf(string path, GgufMetadata metadata)
    {
        if (metadata.IntegerOrNull(CountKey) is not (> 1 and var count))
            return [];
        long place = Place(metadata, count);
        Match name = Name().Match(path);
        if (place != 0)
        {
            string first = name.Success ? Part(name, 0) : "whose name ends in -00001-of-" + Digits(count);
            throw FileError.At(path, Invariant($"is part {place + 1} of {count} of a model; give the first, {first}."));
        }

        if (count > MaxParts)
            throw metadata.Error(CountKey, Invariant($"is {count}, more parts than can be opened; join them with llama-gguf-split --merge."));
        IReadOnlyList<string> parts = PartsOf(path);
        return parts.Count == count
            ? [.. parts.Skip(1)]
            : throw FileError.At(path, $"is the first of {count} parts of a model, but its name does not end in -00001-of-{Digits(count)}.gguf, " +
                "by which the others are found; name all parts like that.");
    }

    /// <summary>Checks that a part other than the first is there.</summary>
    public static void CheckIsThere(string path, int place, int count)
    {
        if (!File.Exists(path))
            throw FileError.At(path, Invariant($"no such file; it is part {place + 1} of {count} of a model, copy or download it, too."));
    }

    /// <summary>Checks that a file is the part that its name says.</summary>
    public static void CheckIsPart(GgufMetadata part, int place, int count)
    {
        long stored = part.Integer(CountKey);
        if (stored != count)
            throw part.Error(CountKey, Invariant($"is {stored} where the first part has {count}; copy or download all parts again."));
        stored = Place(part, count);
        if (stored != place)
            throw part.Error(NumberKey, Invariant($"is {stored} where its name stands for {place}; copy or download the file again."));
    }

    /// <summary>Checks that all parts together hold as many tensors as the first one says.</summary>
    public static void CheckTensors(GgufMetadata first, int count)
    {
        long stored = first.Integer(TensorsKey);
        if (stored != count)
        {
            throw first.Error(
                TensorsKey, Invariant($"is {stored}, but the parts of the model hold {count} tensors; copy or download all parts again."));
        }
    }

    private static long Place(GgufMetadata metadata, long count)
    {
        long place = metadata.Integer(NumberKey);
        return place >= 0 && place < count
            ? place
            : throw metadata.Error(NumberKey, Invariant($"is {place} where {CountKey} is {count}; copy or download the file again."));
    }

    private static string Part(Match name, int place) =>
        $"{name.Groups["stem"]}-{Digits(place + 1)}-of-{name.Groups["count"]}{name.Groups["end"]}";

    private static int NumberIn(Match name, string group) => int.Parse(name.Groups[group].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    private static string Digits(long number) => number.ToString("D5", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    [GeneratedRegex(@"\A(?<stem>.*)-(?<number>[0-9]{5})-of-(?<count>[0-9]{5})(?<end>\.[gG][gG][uU][fF])\z", RegexOptions.Singleline)]
    private static partial Regex Name();
}
