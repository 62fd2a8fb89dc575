using System.Text;
using System.Text.Json;
using Steer.Runtime.Grammars;
using Steer.Runtime.Tests.Tokenization;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Grammars;

/// <summary>Vocabularies for tests, and ways to walk through a grammar with their tokens.</summary>
internal static class GrammarTexts
{
    /// <summary>The repository's tokenizer.</summary>
    public static Tokenizer Base { get; } = Tokenizer.Load(Path.Combine(GoldenFiles.Weights, "base"));

    /// <summary>What ends a text of <see cref="Base"/>.</summary>
    public const int BaseEnd = 0;

    /// <summary>A tokenizer of the byte alphabet with exactly these tokens; the first is special.</summary>
    public static Tokenizer ByteLevel(params string[] tokens)
    {
        var spelled = tokens.Select((token, id) => id == 0 ? token : string.Concat(Encoding.Latin1.GetBytes(token).Select(ByteAlphabet.CharOf)));
        return Load(spelled, """[{"id":0,"content":"<end>","special":true}]""", """{"type":"ByteLevel"}""");
    }

    /// <summary>A tokenizer of these tokens and this decoder.</summary>
    public static Tokenizer Load(IEnumerable<string> tokens, string added, string decoder)
    {
        var vocab = tokens.Select((token, id) => (token, id)).ToDictionary(pair => pair.token, pair => pair.id);
        using var folder = new TemporaryFolder();
        var model = $$"""{"type":"BPE","vocab":{{JsonSerializer.Serialize(vocab)}},"merges":[]}""";
        return Tokenizer.Load(folder.Write("tokenizer.json", $$"""{"added_tokens":{{added}},"decoder":{{decoder}},"model":{{model}} }"""));
    }

    /// <summary>The tokens that a mask allows.</summary>
    public static List<int> Allowed(this TokenGrammar grammar, int state)
    {
        var allowed = new List<int>();
        var mask = grammar.AllowedTokens(state);
        for (var token = 0; token < mask.Length * 32; token++)
        {
            if ((mask[token / 32] >> (token % 32) & 1) != 0)
                allowed.Add(token);
        }

        return allowed;
    }

    /// <summary>The state after a text, byte by byte; -1 where it is refused.</summary>
    public static int Read(this TokenGrammar grammar, string text, IReadOnlyList<int> idOfByte)
    {
        var state = grammar.Start;
        foreach (var value in Encoding.UTF8.GetBytes(text))
        {
            if (state >= 0)
                state = grammar.Next(state, idOfByte[value]);
        }

        return state;
    }

    /// <summary>Whether a text fits as a whole.</summary>
    public static bool Fits(this TokenGrammar grammar, string text) =>
        grammar.Read(text, BaseBytes) is >= 0 and var state && grammar.MayEnd(state);

    /// <summary>For each byte, the token of <see cref="Base"/> that is that byte.</summary>
    public static IReadOnlyList<int> BaseBytes { get; } =
        [.. Enumerable.Range(0, 256).Select(value => Base.IdOf(ByteAlphabet.CharOf((byte)value).ToString())!.Value)];

    /// <summary>
    /// Writes a text by random tokens that are allowed, some of them short so that structure comes, and after <paramref name="length"/> tokens
    /// the shortest way to an end.
    /// </summary>
    public static string Write(TokenGrammar grammar, Random random, int length)
    {
        var ids = new List<int>();
        var state = grammar.Start;
        for (var i = 0; i < length; i++)
        {
            var allowed = grammar.Allowed(state);
            Assert.NotEmpty(allowed);
            if (grammar.MayEnd(state) && (allowed.Count == 1 || random.Next(8) == 0))
                return Base.Decode([.. ids], skipSpecialTokens: false);
            allowed.Remove(BaseEnd);
            var few = allowed.Where(token => Base.TokenOf(token)!.Length == 1).ToList();
            var token = few.Count > 0 && random.Next(2) == 0 ? few[random.Next(few.Count)] : allowed[random.Next(allowed.Count)];
            if (random.Next(4) == 0 && allowed.Contains(BaseBytes['"']))
                token = BaseBytes['"'];
            state = grammar.Next(state, token);
            Assert.True(state >= 0, "The mask allows a token that leads nowhere.");
            ids.Add(token);
        }

        ids.AddRange(ShortestEnd(grammar, state, BaseBytes));
        return Base.Decode([.. ids], skipSpecialTokens: false);
    }

    /// <summary>The fewest single bytes that lead to where the text may end.</summary>
    public static List<int> ShortestEnd(TokenGrammar grammar, int start, IReadOnlyList<int> idOfByte)
    {
        var from = new Dictionary<int, (int State, int Token)> { [start] = (-1, -1) };
        var work = new Queue<int>([start]);
        while (work.TryDequeue(out var state))
        {
            if (grammar.MayEnd(state))
            {
                var path = new List<int>();
                for (; from[state].State >= 0; state = from[state].State)
                    path.Insert(0, from[state].Token);
                return path;
            }

            foreach (var token in idOfByte)
            {
                if (grammar.Next(state, token) is >= 0 and var next && from.TryAdd(next, (state, token)))
                    work.Enqueue(next);
            }
        }

        throw new InvalidOperationException("No text can be completed.");
    }
}
