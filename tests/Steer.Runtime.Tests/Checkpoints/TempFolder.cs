using System.Buffers.Binary;
using System.Text;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>A folder for the files of one test, removed after it.</summary>
internal sealed class TempFolder : IDisposable
{
    /// <summary>Its path.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("steer-").FullName;

    /// <summary>The path of a file in it.</summary>
    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a text file and gives its path.</summary>
    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes a file and gives its path.</summary>
    public string Write(string name, byte[] bytes)
    {
        System.IO.File.WriteAllBytes(File(name), bytes);
        return File(name);
    }

    /// <summary>Writes a safetensors file with this header, padded or lied about as asked, and this many zero bytes of data.</summary>
    public string WriteSafetensors(string name, string header, int dataBytes, long? claimedHeaderBytes = null)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, claimedHeaderBytes ?? json.Length);
        json.CopyTo(bytes, 8);
        return Write(name, bytes);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
