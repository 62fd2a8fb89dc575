using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>
/// Which tokens of a vocabulary may come next in a text that must fit a regular expression, a JSON schema or a list of choices. A state is a small
/// number that stands for all that the text so far allows; states are found as they are needed and kept. Every member is safe for several threads at
/// once. Special tokens are refused, but for those that end the text; tokens count as the text that they add in the middle of another. Where the text
/// can go on in one way only, the token with which the tokenizer itself writes it is the only one that is allowed.
/// </summary>
public sealed class TokenGrammar
{
    /// <summary>Masks that are kept at most, in bytes; further ones are made again each time.</summary>
    private const long MaxMaskBytes = 1 << 27;

    private readonly GrammarStates _states;
    private readonly TokenBytes _tokens;
    private readonly ForcedTokens _forced;
    private readonly HashSet<int> _endTokens;
    private readonly int _words;
    private readonly ConcurrentDictionary<int, uint[]> _masks = new();
    private readonly ConcurrentDictionary<uint[], uint[]> _sharedMasks = new(new MaskComparer());
    private readonly ConcurrentDictionary<(int State, int Token), int> _forcedIds = new();
    private readonly List<(int State, int Token)> _forcedStates = [];
    private long _maskBytes;

    private TokenGrammar(string what, Tokenizer tokenizer, IReadOnlyList<int> endTokens, string prefix, Func<ByteTerms, int> compile)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(endTokens);
        if (endTokens.Any(token => token < 0))
            throw new ArgumentOutOfRangeException(nameof(endTokens), "A token's id is negative.");
        _tokens = TokenBytes.Of(tokenizer);
        _endTokens = [.. endTokens];
        _words = (Math.Max(_tokens.VocabSize, endTokens.DefaultIfEmpty(-1).Max() + 1) + 31) / 32;
        var terms = new ByteTerms(_tokens.Trie.Alphabet);
        try
        {
            var term = compile(terms);
            if (term == ByteTerms.Nothing)
                throw new FormatException("allows no text at all");
            foreach (byte value in Encoding.UTF8.GetBytes(prefix).Reverse())
                term = terms.Concat(terms.Bytes(ByteSet.Of(value, value)), term);
            _states = new GrammarStates(terms, term);
        }
        catch (FormatException e)
        {
            throw new SteerException($"{what} {e.Message}", e);
        }

        _forced = new ForcedTokens(_states, _tokens, tokenizer);
        Start = After(_states.Start, -1);
    }

    /// <summary>The state before the first token.</summary>
    public int Start { get; }

    /// <summary>
    /// A grammar of the texts that a regular expression matches from their first character to their last. Its syntax is what .NET, Python, ECMAScript
    /// and Rust share; characters are code points.
    /// </summary>
    /// <param name="pattern">The expression.</param>
    /// <param name="tokenizer">The vocabulary.</param>
    /// <param name="endTokens">Ids that end a text, such as EOS.</param>
    /// <param name="prefix">Stands before it.</param>
    /// <exception cref="SteerException">The pattern is damaged, too large or not regular, as look-around is; one line says where.</exception>
    public static TokenGrammar FromRegex(string pattern, Tokenizer tokenizer, IReadOnlyList<int> endTokens, string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentNullException.ThrowIfNull(pattern);
        return new TokenGrammar(
            $"regular expression {Vocabulary.Show(pattern)}", tokenizer, endTokens, prefix, terms => RegexCompiler.WholeText(terms, pattern));
    }

    /// <summary>
    /// A grammar of the JSON texts that a schema allows, without white space: members in the order of the schema, and others after them where
    /// it declares none or says something of them (additionalProperties, patternProperties, propertyNames). Alternatives of oneOf count as those
    /// of anyOf. Schemas that refer to themselves, and values of which nothing is said, nest at most eight deep.
    /// </summary>
    /// <param name="schemaJson">The schema, in draft 2020-12.</param>
    /// <param name="tokenizer">The vocabulary.</param>
    /// <param name="endTokens">Ids that end a text, such as EOS.</param>
    /// <param name="prefix">Stands before it.</param>
    /// <exception cref="SteerException">It is no JSON, too large, or has a keyword that cannot be followed; one line says where.</exception>
    public static TokenGrammar FromJsonSchema(string schemaJson, Tokenizer tokenizer, IReadOnlyList<int> endTokens, string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentNullException.ThrowIfNull(schemaJson);
        return new TokenGrammar("the JSON schema", tokenizer, endTokens, prefix, terms => JsonSchemaCompiler.Compile(terms, schemaJson));
    }

    /// <summary>A grammar of a few texts, one of which is to be written.</summary>
    /// <param name="choices">The texts.</param>
    /// <param name="tokenizer">The vocabulary.</param>
    /// <param name="endTokens">Ids that end a text, such as EOS.</param>
    /// <param name="prefix">Stands before it.</param>
    /// <exception cref="SteerException">There are none, or they are too large.</exception>
    public static TokenGrammar FromChoices(IReadOnlyList<string> choices, Tokenizer tokenizer, IReadOnlyList<int> endTokens, string prefix = "")
    {
        ArgumentNullException.ThrowIfNull(prefix);
        ArgumentNullException.ThrowIfNull(choices);
        return new TokenGrammar(
            $"list of {choices.Count} choices",
            tokenizer,
            endTokens,
            prefix,
            terms => ChoiceCompiler.AnyOf(terms, choices.Select(Encoding.UTF8.GetBytes)));
    }

    /// <summary>Which tokens may come next.</summary>
    /// <param name="state">A state.</param>
    /// <returns>Bit t % 32 of word t / 32 for token t; end tokens have theirs where the text may end.</returns>
    /// <exception cref="SteerException">The grammar needs too much memory.</exception>
    public ReadOnlySpan<uint> AllowedTokens(int state) => _masks.TryGetValue(state, out var mask) ? mask : MakeMask(state);

    /// <summary>
    /// The state after a token, -1 where it is refused: where its bytes do not fit. An end token leads to the same state where the text may end.
    /// </summary>
    /// <param name="state">A state.</param>
    /// <param name="token">A token's id; one that is in no vocabulary is refused.</param>
    /// <exception cref="SteerException">The grammar needs too much memory.</exception>
    public int Next(int state, int token)
    {
        if (_endTokens.Contains(token))
            return MayEnd(state) ? state : GrammarStates.Dead;
        var bytes = _tokens[token];
        if (bytes.IsEmpty)
            return GrammarStates.Dead;
        var next = Inner(state).State;
        foreach (var value in bytes)
        {
            next = _states.Row(next)[_states.ClassOf[value]];
            if (next < 0)
                return next;
        }

        return After(next, token);
    }

    /// <summary>Whether the text may end in a state.</summary>
    /// <param name="state">A state.</param>
    public bool MayEnd(int state) => _states.MayEnd(Inner(state).State);

    /// <summary>What the states and masks found so far take, in bytes: about.</summary>
    internal long Bytes => _states.Bytes + Math.Min(Volatile.Read(ref _maskBytes), MaxMaskBytes);

    /// <summary>Whether half of the states are found that may be kept: new texts had better begin with a new grammar.</summary>
    internal bool IsCrowded => _states.IsCrowded;

    /// <summary>The number of a state after a token: even where its tokens follow from the state alone, odd where one of them is forced.</summary>
    private int After(int state, int last)
    {
        var forced = _forced.First(state, last);
        if (forced < 0 || _endTokens.Contains(forced))
            return state * 2;
        return _forcedIds.TryGetValue((state, forced), out var id) ? id : AddForced((state, forced));
    }

    private int AddForced((int State, int Token) pair)
    {
        lock (_forcedStates)
        {
            return _forcedIds.GetOrAdd(pair, p =>
            {
                _forcedStates.Add(p);
                return (_forcedStates.Count * 2) - 1;
            });
        }
    }

    private (int State, int Token) Inner(int state)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(state);
        if (state % 2 == 0)
            return (state / 2, -1);
        lock (_forcedStates)
            return _forcedStates[state / 2];
    }

    private uint[] MakeMask(int state)
    {
        var mask = new uint[_words];
        var (inner, forced) = Inner(state);
        if (forced >= 0)
            mask[forced >> 5] |= 1u << forced;
        else
            _tokens.Trie.Mark(_states, inner, mask);
        foreach (var token in _endTokens)
        {
            var bit = 1u << token;
            mask[token >> 5] = _states.MayEnd(inner) ? mask[token >> 5] | bit : mask[token >> 5] & ~bit;
        }

        // Most states within a text of limited length allow the same tokens.
        if (_sharedMasks.TryGetValue(mask, out var shared))
            return _masks.GetOrAdd(state, shared);
        if (Interlocked.Add(ref _maskBytes, mask.Length * sizeof(uint)) > MaxMaskBytes)
            return mask;
        return _masks.GetOrAdd(state, _sharedMasks.GetOrAdd(mask, mask));
    }

    private sealed class MaskComparer : IEqualityComparer<uint[]>
    {
        public bool Equals(uint[]? x, uint[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(uint[] obj)
        {
            var hash = default(HashCode);
            hash.AddBytes(MemoryMarshal.AsBytes(obj.AsSpan()));
            return hash.ToHashCode();
        }
    }
}
