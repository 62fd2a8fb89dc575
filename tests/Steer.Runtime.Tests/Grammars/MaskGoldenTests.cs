using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Steer.Runtime.Grammars;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Grammars;

/// <summary>Masks along texts against those of llguidance on the repository's tokenizer.</summary>
public class MaskGoldenTests
{
    private static readonly Tokenizer Tokenizer = Tokenizer.Load(Path.Combine(GoldenFiles.Weights, "base"));
    private static readonly JsonDocument Goldens = JsonDocument.Parse(File.ReadAllText(GoldenFiles.Find("grammar/masks.json")));

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, Goldens.RootElement.GetProperty("cases").GetArrayLength())];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Allows_what_llguidance_allows(int index)
    {
        var root = Goldens.RootElement;
        var golden = root.GetProperty("cases")[index];
        var name = golden.GetProperty("name").GetString()!;
        var grammar = golden.GetProperty("kind").GetString() == "regex"
            ? TokenGrammar.FromRegex(root.GetProperty("regexes").GetProperty(name).GetString()!, Tokenizer, [0])
            : TokenGrammar.FromJsonSchema(root.GetProperty("schemas").GetProperty(name).GetRawText(), Tokenizer, [0]);
        var ids = golden.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        var state = grammar.Start;
        var step = 0;
        foreach (var expected in golden.GetProperty("steps").EnumerateArray())
        {
            var allowed = Allowed(grammar, state);
            Assert.Equal(expected.GetProperty("allowed").GetInt32(), allowed.Length);
            Assert.Equal(expected.GetProperty("end").GetBoolean(), grammar.MayEnd(state));
            Assert.Equal(expected.GetProperty("sha256").GetString(), Hash(allowed));
            if (step < ids.Length)
            {
                state = grammar.Next(state, ids[step]);
                Assert.Equal(golden.GetProperty("accepted").GetBoolean() || step + 1 < ids.Length, state >= 0);
            }

            step++;
        }

        Assert.InRange(step, ids.Length, ids.Length + 1);
    }

    private static int[] Allowed(TokenGrammar grammar, int state)
    {
        var mask = grammar.AllowedTokens(state).ToArray();
        return [.. Enumerable.Range(0, mask.Length * 32).Where(token => (mask[token / 32] >> (token % 32) & 1) != 0)];
    }

    private static string Hash(int[] ids) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join(' ', ids))))[..16];
}
