using Steer.Runtime.Chat;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Datasets;
using Steer.Runtime.Tests.Models;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>Models in several GGUF files: together they are the file that they were cut from, and what does not fit is one line.</summary>
public sealed class GgufSplitTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(5, 9, 0)]
    [InlineData(0, 1, 20, 0)]
    public void The_parts_of_a_model_are_the_model(params int[] tensors)
    {
        string path = _folder.File("whole.gguf"), parts = Directory.CreateDirectory(_folder.File("parts")).FullName;
        GgufConverter.Write(GoldenFiles.Find("models/llama"), path, GgufType.Q8_0);
        string first = GgufSplitter.Split(path, Path.Combine(parts, "a model-00001-of-00002"), tensors);
        using var whole = Checkpoint.Open(path);
        int[] ids = [.. Enumerable.Range(0, 24).Select(i => i * 37 % 384)];
        float[] expected = DecoderRun.Logits(whole.Config, whole.Tensors, ids);
        // The folder holds nothing else and stands for its first part.
        foreach (string given in (string[])[first, parts])
        {
            using var split = Checkpoint.Open(given);
            Assert.Equal(expected, DecoderRun.Logits(split.Config, split.Tensors, ids));
            Assert.Equal(whole.ParameterCount, split.ParameterCount);
            Assert.Equal(given, split.Path);
        }
    }

    [Fact]
    public void The_first_part_holds_the_vocabulary()
    {
        string path = _folder.File("model.gguf");
        SyntheticModel.WriteGguf(path, new SyntheticShape("tiny", 32, 1, 2, 1, 64, 300, true), GgufType.F32);
        string first = GgufSplitter.Split(path, _folder.File("model"), 0, 0);
        int[] expected = Tokenizer.Load(path).Encode("w260 w270", addSpecialTokens: true);
        Assert.Equal(expected, Tokenizer.Load(first).Encode("w260 w270", addSpecialTokens: true));
        Assert.Null(ChatTemplateFiles.Find(first, null));
    }

    [Fact]
    public void A_folder_with_parts_of_two_models_is_refused()
    {
        string path = Whole();
        GgufSplitter.Split(path, _folder.File("a"), 1, 0);
        GgufSplitter.Split(path, _folder.File("b"), 1, 0);
        File.Delete(path);
        Assert.Contains("holds 2 models in .gguf files", Assert.Throws<SteerException>(() => Checkpoint.Open(_folder.Path)).Message);
    }

    [Fact]
    public void The_hash_of_a_first_part_is_that_of_all()
    {
        string first = GgufSplitter.Split(Whole(), _folder.File("a"), 1, 1, 0), last = GgufSplitter.Name(_folder.File("a"), 2, 3);
        string before = ContentHash.Of(first);
        File.AppendAllText(last, "x");
        Assert.NotEqual(before, ContentHash.Of(first));
        File.Delete(last);
        Assert.NotEqual(before, ContentHash.Of(first));
    }

    [Fact]
    public void A_part_that_is_not_the_first_is_refused()
    {
        GgufSplitter.Split(Whole(), _folder.File("a"), 1, 1, 0);
        string second = GgufSplitter.Name(_folder.File("a"), 1, 3), other = _folder.File("other.gguf");
        AssertRefused(second, second, $"is part 2 of 3 of a model; give the first, {GgufSplitter.Name(_folder.File("a"), 0, 3)}.");
        File.Move(second, other);
        AssertRefused(other, other, "is part 2 of 3 of a model; give the first, whose name ends in -00001-of-00003.");
    }

    [Theory]
    [InlineData("a.gguf")]
    [InlineData("a-00002-of-00003.gguf")]
    [InlineData("a-00001-of-00004.gguf")]
    [InlineData("a-1-of-3.gguf")]
    public void A_first_part_of_another_name_is_refused(string name)
    {
        string first = GgufSplitter.Split(Whole(), _folder.File("b"), 1, 1, 0);
        File.Move(first, _folder.File(name));
        string expected = "is the first of 3 parts of a model, but its name does not end in -00001-of-00003.gguf";
        AssertRefused(_folder.File(name), _folder.File(name), expected);
    }

    [Fact]
    public void A_missing_part_is_named()
    {
        string first = GgufSplitter.Split(Whole(), _folder.File("a"), 1, 1, 0), last = GgufSplitter.Name(_folder.File("a"), 2, 3);
        File.Delete(last);
        AssertRefused(first, last, "no such file; it is part 3 of 3 of a model, copy or download it, too.");
        // Parts without the first stand for it all the same.
        File.Delete(first);
        File.Delete(_folder.File("whole.gguf"));
        AssertRefused(_folder.Path, first, "no such file");
    }

    [Fact]
    public void Parts_that_do_not_fit_are_refused()
    {
        string path = Whole(), first = GgufSplitter.Split(path, _folder.File("a"), 1, 1, 0);
        string second = GgufSplitter.Name(_folder.File("a"), 1, 3), third = GgufSplitter.Name(_folder.File("a"), 2, 3);
        byte[] thirdBytes = File.ReadAllBytes(third);
        File.Copy(second, third, overwrite: true);
        AssertRefused(first, third, "split.no is 1 where its name stands for 2");
        File.WriteAllBytes(third, Part(2, 4));
        AssertRefused(first, third, "split.count is 4 where the first part has 3");
        File.WriteAllBytes(third, Part(7, 3));
        AssertRefused(first, third, "split.no is 7 where split.count is 3");
        File.WriteAllBytes(third, Part(2, 3));
        AssertRefused(first, first, "split.tensors.count is 30, but the parts of the model hold 2 tensors");
        File.Copy(path, third, overwrite: true);
        AssertRefused(first, third, "split.count is missing");
        File.WriteAllBytes(third, thirdBytes[..^1]);
        AssertRefused(first, third, "but the file ends at");
        File.WriteAllBytes(third, Part(2, 3, File.ReadAllBytes(second)));
        AssertRefused(first, third, $"is in {second}, too");

        // The keys of a part, and perhaps the tensors of another one.
        static byte[] Part(ushort place, ushort count, byte[]? other = null)
        {
            byte[] part = GgufSplitter.Keys(new GgufBytes(3, 0, 3), place, count, 30).Bytes();
            if (other is null)
                return part;
            part.AsSpan(24).CopyTo(other.AsSpan(24));
            return other;
        }
    }

    [Theory]
    [InlineData(1001)]
    [InlineData(65535)]
    public void More_parts_than_can_be_opened_are_refused_before_any_is_looked_for(int count)
    {
        string path = GgufSplitter.Name(_folder.File("a"), 0, count);
        File.WriteAllBytes(path, GgufSplitter.Keys(new GgufBytes(3, 0, 3), 0, (ushort)count, 0).Bytes());
        AssertRefused(path, path, $"split.count is {count}, more parts than can be opened");
    }

    private string Whole()
    {
        string path = _folder.File("whole.gguf");
        GgufConverter.Write(GoldenFiles.Find("models/llama"), path);
        return path;
    }

    private static void AssertRefused(string path, string file, string expected)
    {
        string message = Assert.Throws<SteerException>(() => Checkpoint.Open(path)).Message;
        Assert.StartsWith($"{file}: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }
}
