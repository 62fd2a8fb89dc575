using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// A stored matrix as kernels read it, in 32-bit words: one word for each f32, two bf16 to a word with the lower index in the lower half.
/// </summary>
internal readonly struct WeightView(ArrayView<uint> words, DType type)
{
    private readonly ArrayView<uint> _words = words;
    private readonly int _narrow = type == DType.BF16 ? 1 : 0;

    /// <summary>Number <paramref name="index"/> in row order, as float32.</summary>
    public float this[long index]
    {
        get
        {
            uint bits = _narrow == 0 ? _words[index]
                : (index & 1) == 0 ? _words[index >> 1] << 16
                : _words[index >> 1] & 0xFFFF0000u;
            return Interop.IntAsFloat(bits);
        }
    }
}
