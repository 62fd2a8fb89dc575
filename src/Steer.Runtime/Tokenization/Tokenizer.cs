namespace Steer.Runtime.Tokenization;

/// <summary>
/// Text to token ids and back, as the model's own tokenizer does it. Loaded once; every member is safe for several threads at once.
/// </summary>
public sealed class Tokenizer
{
    private readonly TokenizerParts _parts;

    internal Tokenizer(TokenizerParts parts) => _parts = parts;

    /// <summary>Highest id + 1.</summary>
    public int VocabSize => _parts.Vocabulary.Size;

    /// <summary>The token that begins a sequence, where the files name one.</summary>
    public int? BosId => _parts.BosId;

    /// <summary>The token that ends a sequence, where the files name one.</summary>
    public int? EosId => _parts.EosId;

    /// <summary>Ids that mark structure rather than text: left out when special tokens are skipped.</summary>
    public IReadOnlySet<int> SpecialIds => _parts.SpecialIds;

    /// <summary>
    /// Loads a tokenizer from a folder (tokenizer.json, else tokenizer.model, else vocab.json with merges.txt, else tokenizer.bin, else its only
    /// GGUF file) or from one file of these kinds; the name or the content tells which.
    /// </summary>
    /// <exception cref="SteerException">No such file, a damaged one, or one with a part that is not known; the message names it.</exception>
    public static Tokenizer Load(string path) => new(TokenizerFiles.Load(path));

    /// <summary>The id of a token as the vocabulary spells it (for example "Ġthe" or "▁the"), or null.</summary>
    public int? IdOf(string token) => _parts.Vocabulary.IdOf(token);

    /// <summary>The token of an id as the vocabulary spells it, or null where there is none.</summary>
    public string? TokenOf(int id) => _parts.Vocabulary.TokenOf(id);

    /// <summary>
    /// Text to ids. Special tokens written in the text are recognised where the tokenizer does so.
    /// A lone surrogate counts as U+FFFD.
    /// </summary>
    /// <param name="text">The text; may be empty.</param>
    /// <param name="addSpecialTokens">Adds what the tokenizer puts around a text, such as BOS.</param>
    public int[] Encode(string text, bool addSpecialTokens)
    {
        var ids = new List<int>(text.Length / 3 + 4);
        Encode(text, addSpecialTokens, ids);
        return [.. ids];
    }

    /// <summary>Appends the ids of a text to a list; see <see cref="Encode(string, bool)"/>. After an exception the list is undefined.</summary>
    public void Encode(string text, bool addSpecialTokens, List<int> into)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (addSpecialTokens)
            into.AddRange(_parts.Prefix);
        try
        {
            _parts.Encoder.Encode(text, into);
        }
        catch (InvalidDataException e)
        {
            throw new SteerException($"{_parts.File}: its normalizer is not sound: {e.Message}", e);
        }

        if (addSpecialTokens)
            into.AddRange(_parts.Suffix);
    }

    /// <summary>Ids to text. Ids without a token give nothing; bytes that are no UTF-8 give U+FFFD.</summary>
    /// <param name="ids">Token ids, in order.</param>
    /// <param name="skipSpecialTokens">Leaves out <see cref="SpecialIds"/>.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var stream = CreateStream(skipSpecialTokens);
        foreach (var id in ids)
            stream.Push(id);
        return stream.Flush();
    }

    /// <summary>Ids to text, one by one.</summary>
    /// <param name="skipSpecialTokens">Leaves out <see cref="SpecialIds"/>.</param>
    /// <param name="context">
    /// Tokens before the first one, decoded and not given: with a prompt here, the first word of a completion keeps the space before it.
    /// </param>
    public DetokenizerStream CreateStream(bool skipSpecialTokens, ReadOnlySpan<int> context = default) =>
        new(this, skipSpecialTokens, context);

    /// <summary>
    /// Whether both have the same tokens under the same ids and turn text into ids in the same way, so that their models' logits can be combined.
    /// </summary>
    /// <param name="other">The tokenizer to compare with.</param>
    /// <param name="difference">The first difference in words, naming both files; empty if there is none.</param>
    public bool SameAs(Tokenizer other, out string difference)
    {
        ArgumentNullException.ThrowIfNull(other);
        difference = FirstDifference(other) ?? "";
        return difference.Length == 0;
    }

    internal IReadOnlyList<DecoderSpec> Decoders => _parts.Decoders;

    internal DecoderStep CreateDecoder(DecoderStep last) =>
        _parts.Decoders.Reverse().Aggregate(last, (next, spec) => spec.Create(next));

    private string? FirstDifference(Tokenizer other)
    {
        if (ReferenceEquals(_parts, other._parts))
            return null;
        var (mine, theirs) = (_parts.File, other._parts.File);
        for (var id = 0; id < Math.Max(VocabSize, other.VocabSize); id++)
        {
            if (TokenOf(id) != other.TokenOf(id))
                return $"token {id} is {Show(TokenOf(id))} in {mine} and {Show(other.TokenOf(id))} in {theirs}";
        }

        foreach (var ((part, description), (otherPart, otherDescription)) in _parts.Pipeline.Zip(other._parts.Pipeline))
        {
            if (part != otherPart || description != otherDescription)
                return $"{part} differs between {mine} and {theirs}";
        }

        if (_parts.Pipeline.Count != other._parts.Pipeline.Count)
            return $"{mine} and {theirs} are tokenizers of different kinds";
        return _parts.SpecialIds.SetEquals(other._parts.SpecialIds) ? null : $"special tokens differ between {mine} and {theirs}";
    }

    private static string Show(string? token) => token is null ? "missing" : Vocabulary.Show(token);
}
