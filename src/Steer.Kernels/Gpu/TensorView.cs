using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>A <see cref="Tensor"/> as kernels see it.</summary>
internal readonly struct TensorView(Tensor tensor)
{
    private readonly ArrayView<float> _data = IlgpuDevice.View(tensor.Buffer).SubView(tensor.Offset);
    private readonly int _stride = tensor.Stride;
    private readonly int _wide = tensor.Offset % 4 == 0 && tensor.Stride % 4 == 0 ? 1 : 0;

    /// <summary>Rows.</summary>
    public readonly int Rows = tensor.Rows;

    /// <summary>Columns.</summary>
    public readonly int Columns = tensor.Columns;

    /// <summary>One number.</summary>
    public ref float this[int row, int column] => ref _data[((long)row * _stride) + column];

    /// <summary>What begins with a row.</summary>
    public ArrayView<float> Row(int row) => _data.SubView((long)row * _stride);

    /// <summary>Whether rows begin at a multiple of 16 bytes.</summary>
    public bool IsAligned => _wide != 0;

    /// <summary>A row from a column on.</summary>
    public ArrayView<float> From(int row, int column) => _data.SubView(((long)row * _stride) + column);

    /// <summary>Four numbers from a column on that is a multiple of four, zeros past the last; of a tensor that no thread of this launch writes.</summary>
    public Floats4 Load4(int row, int column)
    {
        long start = ((long)row * _stride) + column;
        if (_wide != 0 && column + 4 <= Columns)
            return Floats4.Load(_data, start);

        return new Floats4
        {
            X = column < Columns ? _data[start] : 0,
            Y = column + 1 < Columns ? _data[start + 1] : 0,
            Z = column + 2 < Columns ? _data[start + 2] : 0,
            W = column + 3 < Columns ? _data[start + 3] : 0,
        };
    }

    /// <summary>As <see cref="Load4"/>, of rows that are aligned and have four numbers there: a single load with nothing to decide.</summary>
    public Floats4 LoadAligned4(int row, int column) => Floats4.Load(_data, ((long)row * _stride) + column);
}

/// <summary>Four neighbouring numbers.</summary>
internal struct Floats4
{
    public float X;
    public float Y;
    public float Z;
    public float W;

    /// <summary>The sum.</summary>
    public readonly float Sum => (X + Y) + (Z + W);

    /// <summary>The largest; NaN counts as nothing unless it is the last.</summary>
    public readonly float Max => KernelMath.Larger(KernelMath.Larger(X, Y), KernelMath.Larger(Z, W));

    /// <summary>One of the four.</summary>
    public readonly float this[int index] => index == 0 ? X : index == 1 ? Y : index == 2 ? Z : W;

    /// <summary>16 bytes of global memory, at a multiple of that, that nobody writes meanwhile; see <see cref="Cuda.WideMemory.LoadConstant(ArrayView{uint}, long)"/>.</summary>
    public static Floats4 LoadConstant(ArrayView<float> source, long start) => Of(Cuda.WideMemory.LoadConstant(source.Cast<uint>(), start));

    /// <summary>16 bytes of global memory, at a multiple of that.</summary>
    public static Floats4 Load(ArrayView<float> source, long start) => Of(Cuda.WideMemory.LoadGlobal(source.Cast<uint>(), start));

    /// <summary>Four words as the numbers that they are.</summary>
    public static Floats4 Of(Cuda.Words4 words) => new()
    {
        X = Interop.IntAsFloat(words.X),
        Y = Interop.IntAsFloat(words.Y),
        Z = Interop.IntAsFloat(words.Z),
        W = Interop.IntAsFloat(words.W),
    };

    public static Floats4 operator +(Floats4 a, Floats4 b) => new() { X = a.X + b.X, Y = a.Y + b.Y, Z = a.Z + b.Z, W = a.W + b.W };

    public static Floats4 operator *(Floats4 a, Floats4 b) => new() { X = a.X * b.X, Y = a.Y * b.Y, Z = a.Z * b.Z, W = a.W * b.W };

    public static Floats4 operator -(Floats4 a, float b) => new() { X = a.X - b, Y = a.Y - b, Z = a.Z - b, W = a.W - b };

    public static Floats4 operator *(Floats4 a, float b) => new() { X = a.X * b, Y = a.Y * b, Z = a.Z * b, W = a.W * b };

    /// <summary>factor * a + b, each rounded once.</summary>
    public static Floats4 MultiplyAdd(float factor, Floats4 a, Floats4 b) => new()
    {
        X = KernelMath.FusedMultiplyAdd(factor, a.X, b.X),
        Y = KernelMath.FusedMultiplyAdd(factor, a.Y, b.Y),
        Z = KernelMath.FusedMultiplyAdd(factor, a.Z, b.Z),
        W = KernelMath.FusedMultiplyAdd(factor, a.W, b.W),
    };

    /// <summary>sum + a . b, one fused multiply-add after the other.</summary>
    public static float Dot(Floats4 a, Floats4 b, float sum)
    {
        sum = KernelMath.FusedMultiplyAdd(a.X, b.X, sum);
        sum = KernelMath.FusedMultiplyAdd(a.Y, b.Y, sum);
        sum = KernelMath.FusedMultiplyAdd(a.Z, b.Z, sum);
        return KernelMath.FusedMultiplyAdd(a.W, b.W, sum);
    }
}
