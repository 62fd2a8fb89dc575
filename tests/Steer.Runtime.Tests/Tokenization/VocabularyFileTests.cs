using System.Text;
using System.Text.Json;
using CsCheck;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>The other kinds of file: llama2.c's, GPT-2's own, tiktoken's, and the embedded pair's tokenizer.</summary>
public sealed class VocabularyFileTests
{
    private static readonly string Tok512 = Path.Combine(Goldens.Folder, "sentencepiece", "tok512.bin");

    /// <summary>Held against the algorithm of llama2.c's run.c, written out plainly here.</summary>
    [Fact]
    public void Llama2c_ids_equal_those_of_the_plain_algorithm()
    {
        var pieces = ReadLlama2c(Tok512);
        var tokenizer = Tokenizer.Load(Tok512);
        Assert.Equal(512, tokenizer.VocabSize);
        Assert.Equal((1, 2), (tokenizer.BosId, tokenizer.EosId));
        Assert.Equal([1], tokenizer.Encode("", addSpecialTokens: true));
        Assert.Equal([1, 403, 407, 261, 378], tokenizer.Encode("Once upon a time", addSpecialTokens: true));

        Gen.String[Gen.OneOf(Gen.Char['a', 'z'], Gen.Char[" .\n\"',é日"])]
            .Sample(text => tokenizer.Encode(text, addSpecialTokens: false).SequenceEqual(PlainLlama2c(pieces, text)), iter: 300);
    }

    [Fact]
    public void Llama2c_texts_come_back()
    {
        var tokenizer = Tokenizer.Load(Tok512);
        foreach (var text in new[] { "", "a", " a", "  two  spaces ", "Once upon a time,\nthere was é 日本 🙂." })
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: true), skipSpecialTokens: true));
    }

    [Fact]
    public void A_llama2c_folder_has_its_tokenizer_by_its_size()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Tok512, folder.File("tok512.bin"));
        Assert.Equal(512, Tokenizer.Load(folder.Path).VocabSize);
    }

    /// <summary>Held against the same vocabulary in tokenizer.json, which is held against Hugging Face's library.</summary>
    [Fact]
    public void Gpt2_files_are_the_same_tokenizer_as_their_tokenizer_json()
    {
        var source = Path.Combine(Goldens.Folder, "tokenizer_json", "gpt2-like", "tokenizer.json");
        using var folder = new TemporaryFolder();
        using (var document = JsonDocument.Parse(File.ReadAllText(source)))
        {
            var model = document.RootElement.GetProperty("model");
            folder.Write("vocab.json", model.GetProperty("vocab").GetRawText());
            var merges = model.GetProperty("merges").EnumerateArray().Select(pair => $"{pair[0].GetString()} {pair[1].GetString()}");
            folder.Write("merges.txt", "#version: 0.2\n" + string.Join('\n', merges) + "\n");

            // Ids of this vocabulary are in the order of its merges, so that they are ranks too.
            var ranks = model.GetProperty("vocab").EnumerateObject().Where(token => token.Name != "<|endoftext|>")
                .Select(token => $"{Convert.ToBase64String([.. token.Name.Select(c => (byte)ByteAlphabet.ByteOf(c))])} {token.Value}");
            folder.Write("gpt2.tiktoken", string.Join('\n', ranks));
        }

        var expected = Tokenizer.Load(source);
        var actual = Tokenizer.Load(folder.Path);
        Assert.True(actual.SameAs(expected, out var difference), difference);
        Assert.Equal((0, 0), (actual.BosId, actual.EosId));

        var tiktoken = Tokenizer.Load(folder.File("gpt2.tiktoken"));
        foreach (var text in new[] { "Hello world, don't stop!", "  spaces\n\n and ünïcödé 日本語 🙂", "x\t\ty" })
            Assert.Equal(expected.Encode(text, addSpecialTokens: false), tiktoken.Encode(text, addSpecialTokens: false));
    }

    /// <summary>Held against llama.cpp's vectors for GPT-2. The vocabulary has 1.5 MB; the test above has the small case.</summary>
    [Fact]
    public void Gpt2_ids_equal_the_stored_vectors()
    {
        if (Goldens.Shared("goldens/tokenizers/gpt2") is not { } folder)
            return;
        var vectors = Path.Combine(Goldens.Folder, "gpt2", "ggml-vocab-gpt-2.gguf");
        var texts = File.ReadAllText(vectors + ".inp").Split("\n__ggml_vocab_test__\n");
        var ids = File.ReadAllLines(vectors + ".out");
        Assert.Equal(46, ids.Length);
        foreach (var file in new[] { "vocab.json", "encoder.json", "gpt2.tiktoken" })
        {
            var tokenizer = Tokenizer.Load(Path.Combine(folder, file));
            Assert.Equal(50_257, tokenizer.VocabSize);
            Assert.Equal(50_256, tokenizer.EosId);
            for (var i = 0; i < ids.Length; i++)
                Assert.Equal(ids[i].Trim(), string.Join(' ', tokenizer.Encode(texts[i], addSpecialTokens: false)));
        }
    }

    /// <summary>Held against Hugging Face's library on prompts and completions of the embedded pair.</summary>
    [Fact]
    public void The_embedded_tokenizer_gives_the_stored_ids()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "weights", "base", "tokenizer.json")))
            folder = folder.Parent;
        var tokenizer = Tokenizer.Load(Path.Combine(folder.FullName, "weights", "base"));
        Assert.Equal((4096, 0, 0), (tokenizer.VocabSize, tokenizer.BosId, tokenizer.EosId));

        using var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(Goldens.Folder, "pair", "embedded_pair.json")));
        var checkedTexts = 0;
        foreach (var task in golden.RootElement.GetProperty("tasks").EnumerateObject())
        {
            Check(task.Value.GetProperty("prompt").GetString()!, Ids(task.Value.GetProperty("prompt_ids")));
            foreach (var score in task.Value.GetProperty("scores").EnumerateArray())
            {
                // Completions follow their prompt with a space and end with the end of text.
                var ids = Ids(score.GetProperty("ids"));
                Assert.Equal(tokenizer.EosId, ids[^1]);
                Check(" " + score.GetProperty("text").GetString()!, ids[..^1]);
            }
        }

        Assert.Equal(4 * 21, checkedTexts);

        void Check(string text, int[] ids)
        {
            Assert.Equal(ids, tokenizer.Encode(text, addSpecialTokens: true));
            Assert.Equal(text, tokenizer.Decode(ids, skipSpecialTokens: true));
            checkedTexts++;
        }

        static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(id => id.GetInt32())];
    }

    /// <summary>Every real vocabulary gives a real text back.</summary>
    [Theory]
    [InlineData("gpt2/vocab.json", false)]
    [InlineData("gpt_neox/20B_tokenizer.json", false)]
    [InlineData("mistral_32k/tokenizer.model.v1", false)]
    [InlineData("tinystories/tok512.bin", false)]
    [InlineData("tinystories/tok4096.bin", false)]
    [InlineData("tinystories/tok512.model", true)]
    [InlineData("tinystories/tok8192.model", true)]
    public void Real_vocabularies_give_real_texts_back(string file, bool dropsExtraSpaces)
    {
        if (Goldens.Shared("goldens/tokenizers/" + file) is not { } path || Goldens.Shared("data/tinystories/tinystories_sample.txt") is not { } data)
            return;
        var tokenizer = Tokenizer.Load(path);
        var text = File.ReadAllText(data)[..200_000];
        var expected = dropsExtraSpaces ? string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries)) : text;
        Assert.Equal(expected, tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false));
    }

    private static List<(string Text, float Score)> ReadLlama2c(string file)
    {
        using var reader = new BinaryReader(File.OpenRead(file));
        reader.ReadInt32();
        var pieces = new List<(string, float)>();
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            var score = reader.ReadSingle();
            pieces.Add((Encoding.UTF8.GetString(reader.ReadBytes(reader.ReadInt32())), score));
        }

        return pieces;
    }

    private static List<int> PlainLlama2c(List<(string Text, float Score)> pieces, string text)
    {
        var ids = new List<int>();
        if (text.Length > 0)
            ids.Add(Find(" "));
        foreach (var rune in text.EnumerateRunes())
        {
            if (Find(rune.ToString()) is >= 0 and var id)
                ids.Add(id);
            else
                ids.AddRange(Encoding.UTF8.GetBytes(rune.ToString()).Select(value => value + 3));
        }

        while (true)
        {
            var (best, bestId, bestScore) = (-1, -1, -1e10f);
            for (var i = 0; i + 1 < ids.Count; i++)
            {
                var id = Find(pieces[ids[i]].Text + pieces[ids[i + 1]].Text);
                if (id >= 0 && pieces[id].Score > bestScore)
                    (best, bestId, bestScore) = (i, id, pieces[id].Score);
            }

            if (best < 0)
                return ids;
            ids[best] = bestId;
            ids.RemoveAt(best + 1);
        }

        int Find(string piece) => pieces.FindIndex(candidate => candidate.Text == piece);
    }
}
