using System.Collections.Concurrent;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>
/// The grammars that requests asked for, each compiled once: thousands of requests of a job share one, with all states that it has found, until these
/// take much memory.
/// </summary>
/// <param name="tokenizer">The vocabulary.</param>
internal sealed class GrammarCache(Tokenizer tokenizer)
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
        if (_grammars.Count >= MaxGrammars)
            _grammars.Clear();
        string key = Key(output, endTokens);
        if (_grammars.TryGetValue(key, out var known) && known.Value.IsCrowded)
            _grammars.TryRemove(KeyValuePair.Create(key, known));
        return _grammars.GetOrAdd(key, _ => new Lazy<TokenGrammar>(() => Compile(output, endTokens))).Value;
    }

    private static string Key(StructuredOutput output, IReadOnlyList<int> endTokens)
    {
        string kind = output.Regex is not null ? "regex" : output.Json is not null ? "json" : "choices";
        return string.Join('\0', [string.Join(',', endTokens), output.Prefix, kind, output.Regex ?? output.Json, .. output.Choices ?? []]);
    }

    private TokenGrammar Compile(StructuredOutput output, IReadOnlyList<int> endTokens) => output switch
    {
        { Regex: { } regex } => TokenGrammar.FromRegex(regex, tokenizer, endTokens, output.Prefix),
        { Json: { } schema } => TokenGrammar.FromJsonSchema(schema, tokenizer, endTokens, output.Prefix),
        _ => TokenGrammar.FromChoices(output.Choices!, tokenizer, endTokens, output.Prefix),
    };
}
