using System.Collections.Concurrent;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>
/// The grammars that requests asked for, each compiled once: thousands of requests of a job share one, with all states that it has found, until these
/// take much memory.
/// </summary>
/// <param name="tokenizer">The vocabulary.</param>
/// <param name="maxBytes">Memory of all states, above which a new grammar starts the cache over.</param>
internal sealed class GrammarCache(Tokenizer tokenizer, long maxBytes = 1L << 30)
{
    // Enough for a host's kinds of texts; one with a schema for each request starts over now and then.
    private const int MaxGrammars = 64;

    private readonly ConcurrentDictionary<string, Lazy<TokenGrammar>> _grammars = new(StringComparer.Ordinal);

    /// <summary>The grammar of such texts.</summary>
    /// <param name="output">What they have to be.</param>
    /// <param name="endTokens">Ids that end a text.</param>
    /// <exception cref="SteerException">They cannot be described by one; one line says why.</exception>
    public TokenGrammar Get(StructuredOutput output, IReadOnlyList<int> endTokens)
    {
        output.Check();
        string key = Key(output, endTokens);
        if (_grammars.TryGetValue(key, out var known))
        {
            if (!known.Value.IsCrowded)
                return known.Value;
            _grammars.TryRemove(KeyValuePair.Create(key, known));
        }

        if (_grammars.Count >= MaxGrammars || _grammars.Values.Sum(g => g.IsValueCreated ? g.Value.Bytes : 0) > maxBytes)
            _grammars.Clear();
        return _grammars.GetOrAdd(key, _ => new Lazy<TokenGrammar>(() => Compile(output, endTokens))).Value;
    }

    /// <summary>Each part with its length before it: whatever the texts hold, no two lists of parts are written alike.</summary>
    private static string Key(StructuredOutput output, IReadOnlyList<int> endTokens)
    {
        string kind = output.Regex is not null ? "regex" : output.Json is not null ? "json" : "choices";
        string?[] parts = [string.Join(',', endTokens), output.Prefix, kind, output.Regex ?? output.Json, .. output.Choices ?? []];
        return string.Concat(parts.Select(part => $"{part?.Length ?? 0}:{part}"));
    }

    private TokenGrammar Compile(StructuredOutput output, IReadOnlyList<int> endTokens) => output switch
    {
        { Regex: { } regex } => TokenGrammar.FromRegex(regex, tokenizer, endTokens, output.Prefix),
        { Json: { } schema } => TokenGrammar.FromJsonSchema(schema, tokenizer, endTokens, output.Prefix),
        _ => TokenGrammar.FromChoices(output.Choices!, tokenizer, endTokens, output.Prefix),
    };
}
