using System.Text;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>Cuts a GGUF file into parts as llama.cpp's gguf-split does: all metadata in the first, three keys and some tensors in each.</summary>
internal static class GgufSplitter
{
    /// <summary>Writes the parts; gives the path of the first.</summary>
    /// <param name="path">The whole file.</param>
    /// <param name="stem">Path of the parts, up to the numbers.</param>
    /// <param name="tensors">How many tensors each part gets; those left over go to the last.</param>
    public static string Split(string path, string stem, params int[] tensors)
    {
        byte[] bytes = File.ReadAllBytes(path);
        using GgufFile file = GgufFile.Open(path);
        GgufTensor[] left = [.. file.Tensors.Values];
        string first = left[0].Name;
        int pairsEnd = bytes.AsSpan().IndexOf([.. BitConverter.GetBytes((ulong)first.Length), .. Encoding.UTF8.GetBytes(first)]);
        for (int i = 0; i < tensors.Length; i++)
        {
            int count = i == tensors.Length - 1 ? left.Length : tensors[i];
            byte[] pairs = i == 0 ? bytes[24..pairsEnd] : [];
            ulong pairCount = i == 0 ? BitConverter.ToUInt64(bytes, 16) : 0;
            byte[] part = Part(bytes, left[..count], pairs, pairCount, (ushort)i, (ushort)tensors.Length, file.Tensors.Count);
            File.WriteAllBytes(Name(stem, i, tensors.Length), part);
            left = left[count..];
        }

        return Name(stem, 0, tensors.Length);
    }

    /// <summary>The path of a part.</summary>
    public static string Name(string stem, int place, int count) => $"{stem}-{place + 1:00000}-of-{count:00000}.gguf";

    private static byte[] Part(byte[] whole, GgufTensor[] tensors, byte[] pairs, ulong pairCount, ushort place, ushort count, int allTensors)
    {
        var part = new GgufBytes(3, (ulong)tensors.Length, pairCount + 3).Raw(pairs);
        Keys(part, place, count, allTensors);
        byte[] data = [];
        foreach (GgufTensor tensor in tensors)
        {
            part.Tensor(tensor.Name, (uint)tensor.Type, (ulong)data.Length, [.. tensor.Shape.Reverse().Select(d => (ulong)d)]);
            int bytes = (int)tensor.Type.Bytes(tensor.Shape.Aggregate(1L, (product, d) => product * d));
            data = [.. data, .. whole.AsSpan((int)tensor.Offset, bytes), .. new byte[(32 - bytes % 32) % 32]];
        }

        return [.. part.WithData(0), .. data];
    }

    /// <summary>The keys of a part, in the types that gguf-split gives them.</summary>
    public static GgufBytes Keys(GgufBytes part, ushort place, ushort count, int tensors)
    {
        const uint UInt16 = 2, Int32 = 5;
        return part.Text("split.no").Number(UInt16).Raw(BitConverter.GetBytes(place))
            .Text("split.count").Number(UInt16).Raw(BitConverter.GetBytes(count))
            .Text("split.tensors.count").Number(Int32).Number((uint)tensors);
    }
}
