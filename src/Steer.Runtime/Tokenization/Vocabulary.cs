namespace Steer.Runtime.Tokenization;

/// <summary>Token strings by id and ids by token string. Ids may have holes.</summary>
internal sealed class Vocabulary
{
    /// <summary>Ids that a vocabulary may skip beyond twice its size: a file cannot make a table much larger than itself.</summary>
    private const int AllowedHoles = 65_536;

    private readonly string?[] _tokens;
    private readonly Dictionary<string, int> _ids;

    private Vocabulary(string?[] tokens, Dictionary<string, int> ids)
    {
        _tokens = tokens;
        _ids = ids;
    }

    /// <summary>Highest id + 1.</summary>
    public int Size => _tokens.Length;

    /// <summary>Looks ids up by token string, also by a span of characters.</summary>
    public Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> IdsBySpan => _ids.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The token's id, or null.</summary>
    public int? IdOf(string token) => _ids.TryGetValue(token, out var id) ? id : null;

    /// <summary>The id's token, or null where the id is out of range or a hole.</summary>
    public string? TokenOf(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    /// <summary>
    /// Builds the tables. Of tokens with the same string the lowest id is found by string where <paramref name="allowRepeatedTokens"/> holds.
    /// </summary>
    /// <exception cref="SteerException">An id is negative, repeated or far above the number of tokens, or a token is repeated.</exception>
    public static Vocabulary Create(string file, IReadOnlyCollection<KeyValuePair<string, int>> tokens, bool allowRepeatedTokens = false)
    {
        var limit = 2L * tokens.Count + AllowedHoles;
        var highest = -1;
        foreach (var (token, id) in tokens)
        {
            if (id < 0 || id >= limit)
            {
                throw new SteerException(
                    $"{file}: token {Show(token)} has id {id}, out of range for a vocabulary of {tokens.Count} tokens; the file is damaged");
            }

            highest = Math.Max(highest, id);
        }

        var byId = new string?[highest + 1];
        var byToken = new Dictionary<string, int>(tokens.Count, StringComparer.Ordinal);
        foreach (var (token, id) in tokens)
        {
            if (byId[id] is { } other)
                throw new SteerException($"{file}: tokens {Show(other)} and {Show(token)} have the same id {id}; the file is damaged");
            byId[id] = token;
            if (byToken.TryAdd(token, id))
                continue;
            if (!allowRepeatedTokens)
                throw new SteerException($"{file}: token {Show(token)} is listed twice; the file is damaged");
            byToken[token] = Math.Min(byToken[token], id);
        }

        return new Vocabulary(byId, byToken);
    }

    /// <summary>A token, short and on one line, for a message.</summary>
    public static string Show(string token)
    {
        var shown = token.Length <= 40 ? token : string.Concat(token.AsSpan(0, 40), "...");
        return $"'{string.Concat(shown.Select(c => IsHidden(c) ? $"\\u{(int)c:X4}" : c.ToString()))}'";

        static bool IsHidden(char c) => char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029';
    }
}
