using System.Numerics;
using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The keys, or the values, of a layer as kernels see them: [blocks, kv heads, block positions, head], each head a run of 16-byte pieces whose last
/// is filled up with zeros. Int8: x = q * scale with scale = max |x| / 127 over the head.
/// </summary>
internal readonly struct KvView(KvCacheShape shape, ArrayView<uint> words, ArrayView<float> scales)
{
    private readonly ArrayView<uint> _words = words;
    private readonly ArrayView<float> _scales = scales;

    /// <summary>How numbers are stored.</summary>
    public readonly DType Type = shape.Type;

    /// <summary>Key and value heads.</summary>
    public readonly int NumKvHeads = shape.NumKvHeads;

    /// <summary>Width of a head.</summary>
    public readonly int HeadDim = shape.HeadDim;

    /// <summary>16-byte pieces of a head.</summary>
    public readonly int Pieces = (int)(HeadWords(shape) / 4);

    /// <summary>Numbers in 16 bytes.</summary>
    public int NumbersPerPiece => NumbersPerPieceOf(Type);

    /// <summary>Numbers of a type in 16 bytes.</summary>
    public static int NumbersPerPieceOf(DType type) => type == DType.F32 ? 4 : type == DType.BF16 ? 8 : 16;

    /// <summary>Words that a head takes: whole pieces.</summary>
    public static long HeadWords(KvCacheShape shape)
    {
        int numbers = NumbersPerPieceOf(shape.Type);
        return ((long)shape.HeadDim + numbers - 1) / numbers * 4;
    }

    /// <summary>Which head, over all blocks, a slot's head is.</summary>
    public long Head(int slot, int kvHead) => FirstHead(slot / KvCacheShape.BlockSize, kvHead) + (slot % KvCacheShape.BlockSize);

    /// <summary>Word where the heads of a block's 16 positions begin, one after the other.</summary>
    public long BlockStart(int block, int kvHead) => (((long)block * NumKvHeads) + kvHead) * (KvCacheShape.BlockSize * 4 * Pieces);

    /// <summary>Reads 16 bytes from a word on; a launch that reads does not write, and where a context's blocks are it reads itself.</summary>
    public Words4 LoadWords(long word) => WideMemory.LoadConstant(_words, word);

    /// <summary>Begins to copy the scales of four positions of a block, from <paramref name="place"/> on, to shared memory.</summary>
    public void CopyScales(ArrayView<uint> shared, int index, int block, int kvHead, int place) =>
        WideMemory.Copy(shared, index, _scales.Cast<uint>(), FirstHead(block, kvHead) + place);

    /// <summary>Logarithm of the threads that copy a position of so many pieces.</summary>
    public static int CopyShift(int pieces) => BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)pieces));

    /// <summary>
    /// Begins to copy pieces of a block's positions to shared memory, all threads of a group together, 1 &lt;&lt; <paramref name="shift"/> to a
    /// position; those behind <paramref name="last"/> become zeros.
    /// </summary>
    public void CopyBlock(ArrayView<uint> shared, int stride, int block, int kvHead, int firstPiece, int pieces, int shift, int last)
    {
        int piece = Group.IdxX & ((1 << shift) - 1);
        if (piece >= pieces)
            return;
        long source = BlockStart(block, kvHead) + (4 * (firstPiece + piece));
        for (int i = Group.IdxX >> shift; i < KvCacheShape.BlockSize; i += Group.DimX >> shift)
        {
            int place = (i * stride) + (4 * piece);
            if (i <= last)
            {
                WideMemory.Copy(shared, place, _words, source + (4 * i * Pieces));
            }
            else
            {
                shared[place] = 0;
                shared[place + 1] = 0;
                shared[place + 2] = 0;
                shared[place + 3] = 0;
            }
        }
    }

    /// <summary>Reads 16 bytes of a head; a launch that reads does not write.</summary>
    public Words4 Load(long head, int piece) => WideMemory.LoadConstant(_words, ((head * Pieces) + piece) * 4);

    /// <summary>The scale of a head; 1 for types without.</summary>
    public float Scale(long head) => Type == DType.Int8 ? _scales[head] : 1;

    /// <summary>Number <paramref name="i"/> of 16 bytes.</summary>
    public float Number(Words4 words, int i, float scale)
    {
        int bits = 128 / NumbersPerPiece, place = i * bits;
        uint word = place < 32 ? words.X : place < 64 ? words.Y : place < 96 ? words.Z : words.W;
        uint number = word >> (place % 32);
        return Type == DType.F32 ? Interop.IntAsFloat(number) : Type == DType.BF16 ? Numbers.BF16(number) : (sbyte)number * scale;
    }

    /// <summary>Writes x[row, column .. column + HeadDim) as a head; the threads of a group together.</summary>
    public void Write(GroupReduce reduce, long head, TensorView x, int row, int column)
    {
        float scale = 0;
        if (Type == DType.Int8)
        {
            float max = 0, check = 0;
            for (int d = Group.IdxX; d < HeadDim; d += Group.DimX)
            {
                float value = x[row, column + d];
                max = MathF.Max(max, MathF.Abs(value));
                check += value * 0;
            }

            // As ActivationBlock.Scale: NaN where a number is not finite.
            scale = (reduce.Max(max) / BlockQuantizer.MaxInt8) + (float)reduce.Sum(check);
            if (Group.IdxX == 0)
                _scales[head] = scale;
        }

        int bits = 128 / NumbersPerPiece, perWord = 32 / bits;
        for (int i = Group.IdxX; i < Pieces * 4; i += Group.DimX)
        {
            uint word = 0;
            for (int j = 0; j < perWord; j++)
            {
                int d = (i * perWord) + j;
                uint number = 0;
                if (d < HeadDim)
                    number = Pack(x[row, column + d], scale);
                word |= number << (j * bits);
            }

            _words[(head * Pieces * 4) + i] = word;
        }
    }

    private long FirstHead(int block, int kvHead) => (((long)block * NumKvHeads) + kvHead) * KvCacheShape.BlockSize;

    // The bits of a number.
    private uint Pack(float value, float scale) => Type == DType.F32 ? Interop.FloatAsInt(value)
        : Type == DType.BF16 ? Numbers.ToBF16(value)
        : (uint)ActivationBlock.Quantise(value, scale) & 255;
}
