namespace Steer.Kernels.Host;

/// <summary>Rotary angles, rotation of queries and keys, and the write of keys and values into the cache.</summary>
internal static unsafe class RopeKernel
{
    public static void Angles(int* positions, float* frequencies, float scale, in HostMatrix angles)
    {
        int half = angles.Columns / 2;
        for (int row = 0; row < angles.Rows; row++)
        {
            float* to = angles.Row(row);
            for (int i = 0; i < half; i++)
            {
                (float sin, float cos) = MathF.SinCos(positions[row] * frequencies[i]);
                to[i] = scale * cos;
                to[half + i] = scale * sin;
            }
        }
    }

    public static void Rotate(in HostMatrix x, in HostMatrix angles, RopeLayout layout, int headDim)
    {
        int half = angles.Columns / 2;
        for (int row = 0; row < x.Rows; row++)
        {
            float* angle = angles.Row(row);
            for (int h = 0; h < x.Columns; h += headDim)
            {
                float* head = x.Row(row) + h;
                for (int i = 0; i < half; i++)
                {
                    ref float a = ref head[layout == RopeLayout.Half ? i : 2 * i];
                    ref float b = ref head[layout == RopeLayout.Half ? i + half : (2 * i) + 1];
                    float cos = angle[i], sin = angle[half + i];
                    (a, b) = ((a * cos) - (b * sin), (b * cos) + (a * sin));
                }
            }
        }
    }

    public static void Cache(in HostMatrix k, in HostMatrix v, int* slots, HostKvCache cache, int layer)
    {
        var shape = cache.Shape;
        for (int row = 0; row < k.Rows; row++)
        {
            int block = slots[row] / KvCacheShape.BlockSize, position = slots[row] % KvCacheShape.BlockSize;
            for (int h = 0; h < shape.NumKvHeads; h++)
            {
                float* keys = cache.Keys(layer, h) + (block * cache.KeyBlock * shape.NumKvHeads) + position;
                float* values = cache.Values(layer, h) + (block * cache.ValueBlock * shape.NumKvHeads) + (position * cache.ValueStride);
                for (int i = 0; i < shape.HeadDim; i++)
                {
                    keys[i * KvCacheShape.BlockSize] = k.Row(row)[(h * shape.HeadDim) + i];
                    values[i] = v.Row(row)[(h * shape.HeadDim) + i];
                }
            }
        }
    }
}
