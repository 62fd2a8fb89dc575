using System.Text;
using Microsoft.Extensions.AI;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Tests.Checkpoints;

namespace Steer.Runtime.Tests.Evaluation;

/// <summary>Embeddings from files of other programs, from a host's generator, and from the cache beside the texts.</summary>
public sealed class EmbeddingFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Safetensors_with_real_and_synthetic()
    {
        var (real, synthetic) = EmbeddingFile.Read(GoldenFiles.Find("metrics/embeddings_near.safetensors"));
        Assert.Equal((220, 24, 220, 24), (real.Rows, real.Dimensions, synthetic.Rows, synthetic.Dimensions));
    }

    [Theory]
    [InlineData(1, "<f4")]
    [InlineData(2, "<f8")]
    public void Npy_as_numpy_writes_it(int version, string type)
    {
        double[] values = [1, 2, 3, 4.5, -5, 6];
        string a = Npy("a.npy", Header(type, "(2, 3)"), values, version, type), b = Npy("b.npy", Header(type, "(3, 2)"), values, version, type);
        var (real, synthetic) = EmbeddingFile.Read($"{a},{b}");
        Assert.Equal((2, 3, 3, 2), (real.Rows, real.Dimensions, synthetic.Rows, synthetic.Dimensions));
        Assert.Equal(values, real.Values.ToArray());
        Assert.Equal([3, 4.5], synthetic.Row(1).ToArray());
    }

    [Theory]
    [InlineData("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", "row by row")]
    [InlineData("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }", "float32")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", "matrix")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", "bytes of numbers")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", "bytes of numbers")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2147483647, 2147483647), }", "bytes of numbers")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 3), }", "too large")]
    [InlineData("nonsense", "matrix")]
    public void Npy_that_is_no_matrix_is_refused(string header, string says)
    {
        string file = Npy("x.npy", header, [1, 2, 3, 4, 5, 6], 1, "<f4");
        string message = Assert.Throws<SteerException>(() => EmbeddingFile.ReadNpy(file)).Message;
        Assert.Contains(file, message, StringComparison.Ordinal);
        Assert.Contains(says, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_that_are_cut_or_damaged_anywhere_are_refused_in_a_line()
    {
        byte[] whole = File.ReadAllBytes(Npy("x.npy", Header("<f4", "(2, 3)"), [1, 2, 3, 4, 5, 6], 1, "<f4"));
        string file = _folder.File("cut.npy");
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(file, whole[..length]);
            Assert.DoesNotContain('\n', Assert.Throws<SteerException>(() => EmbeddingFile.ReadNpy(file)).Message);
        }

        var random = new Random(1);
        for (int i = 0; i < 300; i++)
        {
            byte[] damaged = (byte[])whole.Clone();
            damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(file, damaged);
            try
            {
                EmbeddingFile.ReadNpy(file);
            }
            catch (SteerException)
            {
                // Either it is refused or it is still an array of finite numbers; nothing else may happen.
            }
        }

        string missing = Assert.Throws<SteerException>(() => EmbeddingFile.Read(_folder.File("none.npy") + "," + file)).Message;
        Assert.Equal($"{_folder.File("none.npy")}: cannot be read (there is no such file). Give a .npy file.", missing);
        Assert.Throws<SteerException>(() => EmbeddingFile.Read(file));
        Assert.Throws<SteerException>(() => EmbeddingFile.Read(_folder.File("none.safetensors")));
    }

    [Fact]
    public void Safetensors_without_the_tensors_or_with_NaN_are_refused()
    {
        Assert.Contains("real", Refusal([new("synthetic", DType.F32, 1, 2)], [1, 2]), StringComparison.Ordinal);
        Assert.Contains("shape", Refusal([new("real", DType.F32, 2), new("synthetic", DType.F32, 1, 2)], [1, 2, 3, 4]), StringComparison.Ordinal);
        Assert.Contains("text 2", Refusal([new("real", DType.F32, 2, 1), new("synthetic", DType.F32, 1, 2)], [1, float.NaN, 3, 4]), StringComparison.Ordinal);

        string Refusal(TensorDeclaration[] tensors, float[] values)
        {
            string file = _folder.File("e.safetensors");
            using (var writer = SafetensorsWriter.Create(file, tensors))
            {
                writer.Write(values);
                writer.Finish();
            }

            return Assert.Throws<SteerException>(() => EmbeddingFile.Read(file)).Message;
        }
    }

    [Fact]
    public async Task The_cache_holds_for_the_same_texts_and_model_alone()
    {
        string data = _folder.File("texts.jsonl");
        var generator = new CountingGenerator();
        string[] texts = ["one", "three", "fifteen"];
        var first = await TextEmbeddings.ComputeAsync(texts, generator, "model", data);
        Assert.Equal([3, 1, 5, 1, 7, 1], first.Values.ToArray());
        Assert.Equal(first.Values.ToArray(), (await TextEmbeddings.ComputeAsync(texts, generator, "model", data)).Values.ToArray());
        Assert.Equal(3, generator.Texts);

        await TextEmbeddings.ComputeAsync(texts, generator, "another", data);
        Assert.Equal(6, generator.Texts);
        await TextEmbeddings.ComputeAsync(["one", "three", "fifteen!"], generator, "model", data);
        Assert.Equal(9, generator.Texts);
        Assert.Equal(2, Directory.GetFiles(_folder.Path).Length);

        // Damaged files are computed anew.
        foreach (string cache in Directory.GetFiles(_folder.Path))
            File.WriteAllBytes(cache, File.ReadAllBytes(cache)[..20]);
        foreach (string model in new[] { "model", "another" })
            Assert.Equal(3, (await TextEmbeddings.ComputeAsync(texts, generator, model, data)).Rows);
        Assert.Equal(15, generator.Texts);
        Assert.Equal(3, (await TextEmbeddings.ComputeAsync(texts, generator, "model", _folder.File("no/such/folder/x"))).Rows);
    }

    [Fact]
    public async Task Generators_that_give_nonsense_are_refused()
    {
        await Assert.ThrowsAsync<SteerException>(() => TextEmbeddings.ComputeAsync(["a", "b"], new CountingGenerator { Lose = 1 }, "m", null));
        await Assert.ThrowsAsync<SteerException>(() => TextEmbeddings.ComputeAsync(["a", "odd"], new CountingGenerator(), "m", null));
        await Assert.ThrowsAsync<SteerException>(() => TextEmbeddings.ComputeAsync(["nan"], new CountingGenerator(), "m", null));
    }

    private static string Header(string type, string shape) => $"{{'descr': '{type}', 'fortran_order': False, 'shape': {shape}, }}";

    private string Npy(string name, string header, double[] values, int version, string type)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write([0x93, .. "NUMPY"u8, (byte)version, 0]);
        int length = 118 - (version == 1 ? 0 : 2);
        if (version == 1)
            writer.Write((ushort)length);
        else
            writer.Write(length);
        writer.Write(Encoding.Latin1.GetBytes(header.PadRight(length - 1) + "\n"));
        foreach (double value in values)
        {
            if (type == "<f8")
                writer.Write(value);
            else
                writer.Write((float)value);
        }

        File.WriteAllBytes(_folder.File(name), stream.ToArray());
        return _folder.File(name);
    }

    private sealed class CountingGenerator : IEmbeddingGenerator<string, Embedding<float>>
    {
        public int Texts { get; private set; }

        public int Lose { get; init; }

        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
            IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
        {
            var texts = values.ToList();
            Texts += texts.Count;
            return Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(texts.Skip(Lose).Select(t => new Embedding<float>(t switch
            {
                "odd" => new float[3],
                "nan" => new float[] { float.NaN, 1 },
                _ => new float[] { t.Length, 1 },
            }))));
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
