using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Embeddings that another program computed: a safetensors file with the tensors real and synthetic, each [texts, dimensions], or a .npy file for
/// each set.
/// </summary>
public static partial class EmbeddingFile
{
    private const string Extension = ".npy";
    private const int MostHeaderBytes = 1 << 16;

    /// <summary>Reads both sets.</summary>
    /// <param name="paths">A safetensors file; or two .npy files with a comma between them, real first.</param>
    /// <exception cref="SteerException">A file is missing or damaged, or holds no matrix of finite numbers.</exception>
    public static (EmbeddingMatrix Real, EmbeddingMatrix Synthetic) Read(string paths)
    {
        if (!paths.EndsWith(Extension, StringComparison.OrdinalIgnoreCase))
        {
            using var file = SafetensorsFile.Open(paths);
            return (Matrix(file.Tensor("real")), Matrix(file.Tensor("synthetic")));
        }

        string[] parts = paths.Split(',');
        return parts is [var real, var synthetic]
            ? (ReadNpy(real), ReadNpy(synthetic))
            : throw new SteerException(
                $"{paths}: give two {Extension} files with a comma between them, the real set's first; or a safetensors file.");
    }

    /// <summary>A stored matrix.</summary>
    internal static EmbeddingMatrix Matrix(StoredTensor tensor)
    {
        if (tensor.Shape.Count != 2 || tensor.Count == 0)
            throw tensor.Error($"has shape {FileError.Shape(tensor.Shape)}; give a matrix [texts, dimensions].");
        return new EmbeddingMatrix(tensor.ReadAll(), (int)tensor.Shape[1], $"{tensor.File}, tensor {tensor.Name}");
    }

    /// <summary>A NumPy array of float32 or float64, [texts, dimensions] row by row.</summary>
    /// <exception cref="SteerException">The file is missing or is no such array.</exception>
    public static EmbeddingMatrix ReadNpy(string path)
    {
        try
        {
            using var stream = GitLfs.OpenRead(path);
            var (size, rows, columns) = ReadHeader(stream, path);
            if (rows < 1 || columns < 1 || rows * columns > Array.MaxLength / sizeof(double)
                || stream.Length - stream.Position != rows * columns * size)
            {
                throw FileError.At(
                    path, $"has {stream.Length - stream.Position} bytes of numbers where its header tells {rows} rows of {columns}. Write it again.");
            }

            var bytes = new byte[rows * columns * size];
            stream.ReadExactly(bytes);
            return size == sizeof(float)
                ? new EmbeddingMatrix(MemoryMarshal.Cast<byte, float>(bytes), (int)columns, path)
                : new EmbeddingMatrix(MemoryMarshal.Cast<byte, double>(bytes).ToArray(), (int)columns, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(path, e, $"Give a {Extension} file.");
        }
    }

    /// <summary>Reads the magic, the version and the dictionary in front of the numbers (NumPy's format, versions 1 to 3).</summary>
    private static (int Size, long Rows, long Columns) ReadHeader(FileStream stream, string path)
    {
        Span<byte> begin = stackalloc byte[8];
        if (stream.ReadAtLeast(begin, begin.Length, throwOnEndOfStream: false) < begin.Length || !IsMagic(begin))
            throw FileError.At(path, $"is no {Extension} file. Write one with numpy.save.");
        var length = new byte[begin[6] == 1 ? 2 : 4];
        stream.ReadExactly(length);
        uint bytes = length.Length == 2 ? BitConverter.ToUInt16(length) : BitConverter.ToUInt32(length);
        if (bytes > MostHeaderBytes)
            throw FileError.At(path, $"has a header of {bytes} bytes. Write it again with numpy.save.");
        var header = new byte[bytes];
        stream.ReadExactly(header);
        string text = Encoding.Latin1.GetString(header);
        var shape = Shape().Match(text);
        int size = text.Contains("'<f4'", StringComparison.Ordinal) ? sizeof(float)
            : text.Contains("'<f8'", StringComparison.Ordinal) ? sizeof(double) : 0;
        if (!shape.Success || size == 0 || !text.Contains("'fortran_order': False", StringComparison.Ordinal))
            throw FileError.At(path, "holds no matrix of float32 or float64 row by row. Save numpy.ascontiguousarray(x, dtype='float32').");
        return (size, Number(shape.Groups[1], path), Number(shape.Groups[2], path));
    }

    private static bool IsMagic(ReadOnlySpan<byte> begin) => begin[0] == 0x93 && begin[1..6].SequenceEqual("NUMPY"u8) && begin[6] is >= 1 and <= 3;

    private static int Number(Group digits, string path) =>
        int.TryParse(digits.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value
            : throw FileError.At(path, "has a shape that is too large. Write it again.");

    [GeneratedRegex(@"'shape': \((\d{1,19}), (\d{1,19})\)", RegexOptions.CultureInvariant)]
    private static partial Regex Shape();
}
