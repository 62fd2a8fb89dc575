using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.AI;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Computes embeddings of texts and keeps them in a file beside the data, FILE.MODEL.embeddings.safetensors. Its tensor is named after the hash of
/// the texts, so that a file of other texts is never taken for theirs and the next run replaces it.
/// </summary>
public static class TextEmbeddings
{
    private const int Batch = 256;
    private const int ModelDigits = 12;

    /// <summary>Embeddings of the texts, from the file beside the data where it holds them.</summary>
    /// <param name="texts">What to embed, none empty.</param>
    /// <param name="generator">Computes them.</param>
    /// <param name="model">Tells models apart: the name or the content hash of one. Part of the file's name.</param>
    /// <param name="data">The file that the texts came from; null to keep nothing.</param>
    /// <param name="progress">Called with how many are done.</param>
    /// <param name="stop">Ends the work.</param>
    /// <exception cref="SteerException">The generator gave too few embeddings, of different widths, or with NaN.</exception>
    public static async Task<EmbeddingMatrix> ComputeAsync(
        IReadOnlyList<string> texts, IEmbeddingGenerator<string, Embedding<float>> generator, string model, string? data,
        Action<int>? progress = null, CancellationToken stop = default)
    {
        string tensor = "embeddings." + Hash(texts);
        string? file = data is null ? null : $"{data}.{Hash([model])[..ModelDigits]}.embeddings.safetensors";
        if (file is not null && TryRead(file, tensor, texts.Count) is { } kept)
            return kept;

        var rows = new List<float[]>(texts.Count);
        foreach (string[] batch in texts.Chunk(Batch))
        {
            var embeddings = await generator.GenerateAsync(batch, cancellationToken: stop).ConfigureAwait(false);
            if (embeddings.Count != batch.Length)
                throw new SteerException($"The embedding generator gave {embeddings.Count} embeddings for {batch.Length} texts.");
            rows.AddRange(embeddings.Select(e => e.Vector.ToArray()));
            if (rows.Find(r => r.Length != rows[0].Length || r.Length == 0) is { } odd)
                throw new SteerException($"The embedding generator gave embeddings of {rows[0].Length} and of {odd.Length} dimensions.");
            progress?.Invoke(rows.Count);
        }

        float[] values = [.. rows.SelectMany(r => r)];
        var matrix = new EmbeddingMatrix(values, rows[0].Length, data ?? "Embeddings");
        if (file is not null)
            Keep(file, tensor, values, matrix);
        return matrix;
    }

    private static EmbeddingMatrix? TryRead(string file, string tensor, int rows)
    {
        if (!File.Exists(file))
            return null;
        try
        {
            using var kept = SafetensorsFile.Open(file);
            return kept.Tensors.TryGetValue(tensor, out var found) && EmbeddingFile.Matrix(found) is var matrix && matrix.Rows == rows
                ? matrix
                : null;
        }
        catch (SteerException)
        {
            // A damaged file is computed anew and replaced.
            return null;
        }
    }

    private static void Keep(string file, string tensor, float[] values, EmbeddingMatrix matrix)
    {
        try
        {
            using var writer = SafetensorsWriter.Create(file, [new TensorDeclaration(tensor, DType.F32, matrix.Rows, matrix.Dimensions)]);
            writer.Write(values);
            writer.Finish();
        }
        catch (SteerException)
        {
            // Data in a folder that cannot be written to, or a full disk: the next run computes them again.
        }
    }

    private static string Hash(IEnumerable<string> texts)
    {
        var hash = new XxHash128();
        Span<byte> length = stackalloc byte[sizeof(int)];
        foreach (string text in texts)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            int count = bytes.Length;
            MemoryMarshal.Write(length, in count);
            hash.Append(length);
            hash.Append(bytes);
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
