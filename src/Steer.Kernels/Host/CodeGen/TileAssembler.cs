using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;
using static Steer.Kernels.Host.CodeGen.CallFrame;

namespace Steer.Kernels.Host.CodeGen;

/// <summary>What a tile made at run time multiplies.</summary>
/// <param name="Type">BF16, Int8 or Int4, with rounded activations.</param>
/// <param name="Rows">Rows; the columns are the 32 of a panel.</param>
internal readonly record struct TileShape(DType Type, int Rows);

/// <summary>
/// Writes the machine code of tiles for AVX-512 with BF16 and VNNI, instructions that C# does not have: sums in registers, two vectors of 16
/// columns for each row, and a bias where <see cref="TileArgs"/> has one. bfloat16 sums stay in registers from the first k to the last
/// (vdpbf16ps); int8 and int4 sum one block as integers (vpdpbusd: unsigned weights, signed activations) and add it, scaled, to sums on the stack,
/// as <see cref="BlockTile{TVector, TRows, TBlocks}"/> does.
/// </summary>
/// <remarks>
/// vdpbf16ps is two fused multiply-adds, the odd k first, to the bit, except that it takes subnormal numbers (below 2^-126) as zero, which portable
/// tiles do not: the one case in which instruction sets differ.
/// </remarks>
internal sealed unsafe class TileAssembler
{
    /// <summary>Most rows whose sums fit into the registers.</summary>
    public const int MaxRows = 12;

    private const int Vectors = 2;
    private const int VectorBytes = 64;
    private const int WordBytes = 4;

    // Vector registers behind the 24 of the sums.
    private const int FirstWeights = MaxRows * Vectors;
    private const int FirstMinima = FirstWeights + Vectors;
    private const int FirstFree = FirstMinima + Vectors;
    private const int NibbleMask = 31;

    // Below a page, so that the stack needs no probe.
    private int StackBytes => ((_shape.Rows * Vectors) + 1) * VectorBytes;

    // Registers that both conventions let a function change, the arguments' among them.
    private static readonly AssemblerRegister64 X = r8;
    private static readonly AssemblerRegister64 Weights = r9;
    private static readonly AssemblerRegister64 Next = r10;
    private static readonly AssemblerRegister64 Steps = r11;
    private static readonly AssemblerRegister64 Sums = rdx;
    private static readonly AssemblerRegister64 Column = rdx;
    private static readonly AssemblerRegister64 Pointer = rax;
    private static readonly AssemblerRegister64 NextBytes = rax;

    private readonly Assembler _a = new(64);
    private readonly TileShape _shape;
    private readonly CallingConvention _convention;

    private TileAssembler(TileShape shape, CallingConvention convention)
    {
        _shape = shape;
        _convention = convention;
    }

    /// <summary>The code of a function that takes a pointer to <see cref="TileArgs"/>.</summary>
    public static byte[] Assemble(TileShape shape, CallingConvention convention)
    {
        var tile = new TileAssembler(shape, convention);
        tile.Write();
        return Bytes(tile._a);
    }

    private void Write()
    {
        Enter(_a, _convention);
        ReadArgs();
        if (_shape.Type == DType.BF16)
            WritePairs();
        else
            WriteBlocks();
        Leave(_a, _convention);
    }

    private void ReadArgs()
    {
        _a.mov(X, Field(TileField.X));
        _a.mov(Weights, Field(TileField.Panel));
        _a.mov(Next, Field(TileField.Next));
        _a.mov(r11d, __dword_ptr[Args + TileField.K]);
    }

    private void WritePairs()
    {
        Label step = _a.CreateLabel(), end = _a.CreateLabel();
        _a.add(r11d, 1);
        _a.shr(r11d, 1);
        StartSums();
        _a.mov(NextBytes, Field(TileField.NextBytes));
        _a.test(Steps, Steps);
        _a.je(end);

        _a.Label(ref step);
        for (int vector = 0; vector < Vectors; vector++)
            _a.vmovups(Weight(vector), __zmmword_ptr[Weights + (vector * VectorBytes)]);
        Prefetch(Vectors * VectorBytes);
        for (int row = 0; row < _shape.Rows; row++)
        {
            var x = Free(row);
            _a.vpbroadcastd(x, __dword_ptr[X + (row * WordBytes)]);
            for (int vector = 0; vector < Vectors; vector++)
                _a.vdpbf16ps(Sum(row, vector), Weight(vector), x);
        }
        Advance(Vectors * VectorBytes, WordBytes, step);

        _a.Label(ref end);
        AddBiasAndStore();
    }

    private void WriteBlocks()
    {
        Label block = _a.CreateLabel(), end = _a.CreateLabel();
        bool int4 = _shape.Type == DType.Int4;
        if (int4)
        {
            _a.mov(eax, 0x0F0F0F0F);
            _a.vpbroadcastd(Zmm[NibbleMask], eax);
        }
        _a.add(r11d, BlockQuantizer.BlockSize - 1);
        _a.shr(r11d, 5);
        StartSums();
        _a.sub(rsp, StackBytes);
        _a.lea(Sums, __qword_ptr[rsp + (VectorBytes - 1)]);
        _a.and(Sums, -VectorBytes);
        ForEachSum((row, vector) => _a.vmovaps(Kept(row, vector), Sum(row, vector)));
        _a.mov(NextBytes, Field(TileField.NextBytes));
        _a.test(Steps, Steps);
        _a.je(end);

        _a.Label(ref block);
        for (int row = 0; row < _shape.Rows; row++)
        {
            for (int vector = 0; vector < Vectors; vector++)
            {
                if (int4)
                    _a.vpxord(Sum(row, vector), Sum(row, vector), Sum(row, vector));
                else
                    _a.vpbroadcastd(Sum(row, vector), Word(RowCodes.ByteScale + 1, row));
            }
        }
        Prefetch(int4 ? BlockLayout.Int4Bytes : BlockLayout.Int8Bytes);
        for (int group = 0; group < BlockLayout.Groups; group++)
        {
            ReadGroup(group);
            for (int row = 0; row < _shape.Rows; row++)
            {
                var x = Free(row % 2);
                _a.vpbroadcastd(x, Word(group, row));
                for (int vector = 0; vector < Vectors; vector++)
                    _a.vpdpbusd(Sum(row, vector), Weight(vector), x);
            }
        }
        AddBlock(int4);
        Advance(int4 ? BlockLayout.Int4Bytes : BlockLayout.Int8Bytes, (RowCodes.ByteScale + RowCodes.BlockTail) * WordBytes, block);

        _a.Label(ref end);
        ForEachSum((row, vector) => _a.vmovaps(Sum(row, vector), Kept(row, vector)));
        _a.add(rsp, StackBytes);
        AddBiasAndStore();
    }

    // From y, where they are carried on, or from zero.
    private void StartSums()
    {
        Label zero = _a.CreateLabel(), start = _a.CreateLabel();
        _a.cmp(__byte_ptr[Args + TileField.Carry], 0);
        _a.je(zero);
        _a.mov(Column, Field(TileField.Column));
        ForEachRow(row => ForEachVector(vector => _a.vmovups(Sum(row, vector), Y(vector))));
        _a.jmp(start);
        _a.Label(ref zero);
        ForEachSum((row, vector) => _a.vpxord(Sum(row, vector), Sum(row, vector), Sum(row, vector)));
        _a.Label(ref start);
    }

    private void AddBiasAndStore()
    {
        var store = _a.CreateLabel();
        _a.mov(Pointer, Field(TileField.Bias));
        _a.test(Pointer, Pointer);
        _a.je(store);
        ForEachVector(vector => _a.vmovups(Weight(vector), __zmmword_ptr[Pointer + (vector * VectorBytes)]));
        ForEachSum((row, vector) => _a.vaddps(Sum(row, vector), Sum(row, vector), Weight(vector)));
        _a.Label(ref store);
        _a.mov(Column, Field(TileField.Column));
        ForEachRow(row => ForEachVector(vector => _a.vmovups(Y(vector), Sum(row, vector))));
    }

    // The numbers of four k for all columns.
    private void ReadGroup(int group)
    {
        if (_shape.Type == DType.Int8)
        {
            for (int vector = 0; vector < Vectors; vector++)
            {
                int offset = BlockLayout.ScaleBytes + (group * BlockLayout.Int8GroupBytes) + (vector * VectorBytes);
                _a.vmovups(Weight(vector), __zmmword_ptr[Weights + offset]);
            }
        }
        else
        {
            _a.vmovups(Weight(0), __zmmword_ptr[Weights + ((2 * BlockLayout.ScaleBytes) + (group * BlockLayout.Int4GroupBytes))]);
            _a.vpsrlw(Weight(1), Weight(0), 4);
            _a.vpandd(Weight(0), Weight(0), Zmm[NibbleMask]);
            _a.vpandd(Weight(1), Weight(1), Zmm[NibbleMask]);
        }
    }

    // sum += scale_x * scale_w * the integer sums, and for int4 sum += (scale_x * sum of q_x) * minimum_w.
    private void AddBlock(bool minima)
    {
        Widen(0, FirstWeights);
        if (minima)
            Widen(BlockLayout.ScaleBytes, FirstMinima);
        ForEachSum((row, vector) =>
        {
            var (sum, scale) = (Sum(row, vector), Free(vector));
            _a.vcvtdq2ps(sum, sum);
            _a.vmulps(scale, Weight(vector), Word(RowCodes.ByteScale, row, broadcast: true));
            _a.vfmadd213ps(sum, scale, Kept(row, vector));
            if (minima)
                _a.vfmadd231ps(sum, Zmm[FirstMinima + vector], Word(RowCodes.ByteScale + 2, row, broadcast: true));
            _a.vmovaps(Kept(row, vector), sum);
        });
    }

    // 16 words of two bfloat16 as two vectors of float32.
    private void Widen(int offset, int register)
    {
        _a.vmovups(Zmm[register + 1], __zmmword_ptr[Weights + offset]);
        _a.vpslld(Zmm[register], Zmm[register + 1], 16);
        _a.vpsrld(Zmm[register + 1], Zmm[register + 1], 16);
        _a.vpslld(Zmm[register + 1], Zmm[register + 1], 16);
    }

    // What comes later in the panel, and of what comes after it as many lines as half of a step has: that is there in two rows' time at the latest.
    private void Prefetch(int stepBytes)
    {
        if (_shape.Rows >= TileArgs.LeastRowsAhead)
        {
            for (int offset = 0; offset < stepBytes; offset += VectorBytes)
                _a.prefetcht1(__byte_ptr[Weights + (TileArgs.BytesAhead + offset)]);
        }
        for (int offset = 0; offset < stepBytes / 2; offset += VectorBytes)
            _a.prefetcht1(__byte_ptr[Next + offset]);
        _a.add(Next, NextBytes);
    }

    private void Advance(int weightBytes, int rowBytes, Label again)
    {
        _a.add(Weights, weightBytes);
        _a.add(X, rowBytes * _shape.Rows);
        _a.dec(Steps);
        _a.jne(again);
    }

    private static void ForEachVector(Action<int> write)
    {
        for (int vector = 0; vector < Vectors; vector++)
            write(vector);
    }

    private void ForEachSum(Action<int, int> write)
    {
        for (int row = 0; row < _shape.Rows; row++)
            ForEachVector(vector => write(row, vector));
    }

    // With the pointer at the row of y.
    private void ForEachRow(Action<int> write)
    {
        for (int row = 0; row < _shape.Rows; row++)
        {
            _a.mov(Pointer, Field(TileField.Y));
            _a.mov(Pointer, __qword_ptr[Pointer + (row * sizeof(nint))]);
            write(row);
        }
    }

    private static AssemblerRegisterZMM Sum(int row, int vector) => Zmm[(row * Vectors) + vector];

    private static AssemblerRegisterZMM Weight(int vector) => Zmm[FirstWeights + vector];

    // One of three registers, or of two for int4, whose mask is the last.
    private static AssemblerRegisterZMM Free(int index) => Zmm[FirstFree + (index % 3)];

    // A sum on the stack.
    private static AssemblerMemoryOperand Kept(int row, int vector) => __zmmword_ptr[Sums + (((row * Vectors) + vector) * VectorBytes)];

    private static AssemblerMemoryOperand Field(int offset) => __qword_ptr[Args + offset];

    // Word of all rows of a block of x.
    private AssemblerMemoryOperand Word(int word, int row, bool broadcast = false)
    {
        int offset = ((word * _shape.Rows) + row) * WordBytes;
        return broadcast ? __dword_bcst[X + offset] : __dword_ptr[X + offset];
    }

    private static AssemblerMemoryOperand Y(int vector) => __zmmword_ptr[Pointer + (Column * WordBytes) + (vector * VectorBytes)];
}
