using System.IO.Hashing;
using System.Text;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Runtime.Datasets;

/// <summary>
/// XxHash128 of a file, with all parts of a split GGUF file, or of the model files of a folder: tells whether a resumed job has the files that it
/// began with.
/// </summary>
public static class ContentHash
{
    private static readonly string[] ModelFiles = [".safetensors", ".gguf", ".bin", ".json", ".model", ".txt"];

    /// <summary>32 hexadecimal digits. A folder's depends on the names and contents of its model files, not on where it lies.</summary>
    /// <exception cref="SteerException">A file cannot be read.</exception>
    public static string Of(string path)
    {
        var hash = new XxHash128();
        try
        {
            if (Directory.Exists(path))
            {
                var files = Directory.EnumerateFiles(path).Where(f => ModelFiles.Contains(Path.GetExtension(f).ToLowerInvariant()));
                foreach (string file in files.Order(StringComparer.Ordinal))
                {
                    hash.Append(Encoding.UTF8.GetBytes(Path.GetFileName(file) + "\0"));
                    Append(hash, file);
                }
            }
            else
            {
                foreach (string file in GgufSplit.PartsOf(path).Where(part => part == path || File.Exists(part)))
                    Append(hash, file);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(path, e, "Give the path of a file or folder.");
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    private static void Append(XxHash128 hash, string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16, FileOptions.SequentialScan);
        hash.Append(stream);
    }
}
