namespace Steer.Runtime.Datasets;

/// <summary>
/// A vector for a text with no model: words and pairs of neighbouring words, hashed with a sign into 256 places (Weinberger et al.,
/// arXiv 0902.2206). Cosines between such vectors are near those of the counts themselves.
/// </summary>
internal static class TextVectors
{
    private const int Dimensions = 256;

    public static float[] Embed(string text)
    {
        ulong[] words = TextWords.Of(text);
        var vector = new float[Dimensions];
        for (int i = 0; i < words.Length; i++)
        {
            Add(vector, words[i]);
            if (i > 0)
                Add(vector, (ulong.RotateLeft(words[i - 1], 23) * 0x9E3779B97F4A7C15UL) ^ words[i]);
        }

        return vector;
    }

    private static void Add(float[] vector, ulong hash) => vector[hash % Dimensions] += (long)hash < 0 ? -1 : 1;
}
