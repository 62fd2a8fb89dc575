using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>A packed weight as kernels see it.</summary>
internal struct WeightView
{
    /// <summary>The numbers.</summary>
    public ArrayView<uint> Words;

    /// <summary>Scales and minima of blocks; empty for other types.</summary>
    public ArrayView<uint> Scales;

    /// <summary>Where each number lies.</summary>
    public WeightLayout Layout;

    /// <summary>One number, widened. Product kernels read 16 bytes at a time instead.</summary>
    public readonly float this[int row, int k]
    {
        get
        {
            uint bits = Words[Layout.Word(row, k)] >> Layout.Shift(row, k);
            if (Layout.Type == DType.F32)
                return Interop.IntAsFloat(bits);
            if (Layout.Type == DType.BF16)
                return Numbers.BF16(bits);
            if (Layout.Type == DType.F16)
                return Numbers.F16(bits);
            uint scale = Scales[Layout.Scale(row, k)];
            return Layout.Type == DType.Int8 ? Numbers.Int8(bits, scale) : Numbers.Int4(bits, scale);
        }
    }
}
