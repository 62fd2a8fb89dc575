using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;
using static Steer.Kernels.Host.CodeGen.CallFrame;

namespace Steer.Kernels.Host.CodeGen;

/// <summary>
/// Writes the machine code of attention's tiles over a cache of bfloat16 that meets rounded queries and weights, for AVX-512 with BF16: what
/// <see cref="ScoreTile{TVector, TRows, TNumbers}"/> and <see cref="ValueTile{TVector, TRows, TNumbers}"/> do, of whole words alone. See
/// <see cref="TileAssembler"/> for the order of a pair's products.
/// </summary>
internal sealed class AttentionAssembler
{
    /// <summary>Most queries whose sums fit into the registers.</summary>
    public const int MaxQueries = 12;

    private const int Vectors = 2;
    private const int VectorBytes = 64;
    private const int WordBytes = 4;
    private const int PairsInBlock = KvCacheShape.BlockSize / 2;
    private const int PairsInBlockShift = 3;
    private const int RowShift = 7;
    private const int WeightsStride = AttentionArgs.Chunk * sizeof(float);

    // Vector registers behind those of the sums.
    private const int FirstNumbers = MaxQueries * Vectors;
    private const int FirstFree = FirstNumbers + Vectors;
    private const int FreeCount = 6;

    // Registers that both conventions let a function change.
    private static readonly AssemblerRegister64 X = r8;
    private static readonly AssemblerRegister64 First = r9;
    private static readonly AssemblerRegister64 Second = r10;
    private static readonly AssemblerRegister64 Pair = r10;
    private static readonly AssemblerRegister64 Steps = r11;
    private static readonly AssemblerRegister64 Ahead = rax;
    private static readonly AssemblerRegister64 SecondAhead = rdx;
    private static readonly AssemblerRegister64 Left = rdx;
    private static readonly AssemblerRegister64 Column = rdx;
    private static readonly AssemblerRegister64 Pointer = rax;

    private readonly Assembler _a = new(64);
    private readonly int _queries;

    private AttentionAssembler(int queries) => _queries = queries;

    /// <summary>The code of a function that takes a pointer to <see cref="AttentionTileArgs"/> and scores.</summary>
    public static byte[] Scores(int queries, CallingConvention convention) => Assemble(queries, convention, tile => tile.WriteScores());

    /// <summary>
    /// The code of a function that takes a pointer to <see cref="AttentionTileArgs"/> and sums values, from an even position to an odd one.
    /// </summary>
    public static byte[] Values(int queries, CallingConvention convention) => Assemble(queries, convention, tile => tile.WriteValues());

    private static byte[] Assemble(int queries, CallingConvention convention, Action<AttentionAssembler> write)
    {
        var tile = new AttentionAssembler(queries);
        Enter(tile._a, convention);
        write(tile);
        Leave(tile._a, convention);
        return Bytes(tile._a);
    }

    // Two blocks at a time: a vector of sums for the 16 positions of each.
    private void WriteScores()
    {
        Label blocks = _a.CreateLabel(), step = _a.CreateLabel();
        _a.mov(__qword_ptr[Args + AttentionField.Block], 0);
        _a.Label(ref blocks);
        _a.mov(Steps, __qword_ptr[Args + AttentionField.Block]);
        _a.mov(First, __qword_ptr[Args + (Steps * 8) + AttentionField.Blocks]);
        _a.mov(Ahead, __qword_ptr[Args + (Steps * 8) + AttentionField.Next]);
        _a.mov(Second, __qword_ptr[Args + (Steps * 8) + (AttentionField.Blocks + sizeof(long))]);
        _a.mov(SecondAhead, __qword_ptr[Args + (Steps * 8) + (AttentionField.Next + sizeof(long))]);
        _a.sub(Ahead, First);
        _a.sub(SecondAhead, Second);
        _a.mov(X, __qword_ptr[Args + AttentionField.X]);
        _a.mov(Steps, __qword_ptr[Args + AttentionField.Extent]);
        _a.add(Steps, 1);
        _a.shr(Steps, 1);
        Clear();

        _a.Label(ref step);
        _a.vmovups(Zmm[FirstNumbers], __zmmword_ptr[First]);
        _a.vmovups(Zmm[FirstNumbers + 1], __zmmword_ptr[Second]);
        _a.prefetcht1(__byte_ptr[First + Ahead]);
        _a.prefetcht1(__byte_ptr[Second + SecondAhead]);
        Multiply(WordBytes);
        _a.add(First, VectorBytes);
        _a.add(Second, VectorBytes);
        _a.add(X, WordBytes * _queries);
        _a.dec(Steps);
        _a.jne(step);

        _a.mov(Steps, __qword_ptr[Args + AttentionField.Block]);
        _a.mov(Column, Steps);
        _a.shl(Column, 6);
        ForEachY((query, vector) => _a.vmovups(Y(vector), Sum(query, vector)));
        _a.add(Steps, 2);
        _a.mov(__qword_ptr[Args + AttentionField.Block], Steps);
        _a.cmp(Steps, __qword_ptr[Args + AttentionField.Count]);
        _a.jl(blocks);
    }

    // Block by block, a pair of positions at a time: two vectors of sums for the 32 columns of a plane.
    private void WriteValues()
    {
        Label zero = _a.CreateLabel(), block = _a.CreateLabel(), step = _a.CreateLabel();
        Clear();
        _a.cmp(__qword_ptr[Args + AttentionField.Carry], 0);
        _a.je(zero);
        ReadColumn();
        ForEachY((query, vector) => _a.vmovups(Sum(query, vector), Y(vector)));
        _a.Label(ref zero);
        _a.mov(X, __qword_ptr[Args + AttentionField.X]);
        _a.mov(Pair, __qword_ptr[Args + AttentionField.Extent]);
        _a.shr(Pair, 1);
        _a.mov(Left, __qword_ptr[Args + AttentionField.Count]);
        _a.shr(Left, 1);

        _a.Label(ref block);
        _a.mov(Steps, Pair);
        _a.shr(Steps, PairsInBlockShift);
        _a.mov(First, __qword_ptr[Args + (Steps * 8) + AttentionField.Blocks]);
        _a.mov(Ahead, __qword_ptr[Args + (Steps * 8) + AttentionField.Next]);
        _a.sub(Ahead, First);
        _a.add(First, __qword_ptr[Args + AttentionField.Offset]);
        _a.mov(Steps, Pair);
        _a.and(Steps, PairsInBlock - 1);
        _a.shl(Steps, RowShift);
        _a.add(First, Steps);
        _a.shr(Steps, RowShift);
        _a.neg(Steps);
        _a.add(Steps, PairsInBlock);
        _a.cmp(Steps, Left);
        _a.cmova(Steps, Left);
        _a.sub(Left, Steps);
        _a.add(Pair, Steps);

        _a.Label(ref step);
        for (int vector = 0; vector < Vectors; vector++)
            _a.vmovups(Zmm[FirstNumbers + vector], __zmmword_ptr[First + (vector * VectorBytes)]);
        for (int vector = 0; vector < Vectors; vector++)
            _a.prefetcht1(__byte_ptr[First + Ahead + (vector * VectorBytes)]);
        Multiply(WeightsStride);
        _a.add(First, Vectors * VectorBytes);
        _a.add(X, WordBytes);
        _a.dec(Steps);
        _a.jne(step);
        _a.test(Left, Left);
        _a.jne(block);

        ReadColumn();
        ForEachY((query, vector) => _a.vmovups(Y(vector), Sum(query, vector)));
    }

    private void Clear()
    {
        for (int i = 0; i < _queries * Vectors; i++)
            _a.vpxord(Zmm[i], Zmm[i], Zmm[i]);
    }

    // A word of each query, which lie some bytes apart, with two vectors of words.
    private void Multiply(int stride)
    {
        for (int query = 0; query < _queries; query++)
        {
            var x = Zmm[FirstFree + (query % FreeCount)];
            _a.vpbroadcastd(x, __dword_ptr[X + (query * stride)]);
            for (int vector = 0; vector < Vectors; vector++)
                _a.vdpbf16ps(Sum(query, vector), Zmm[FirstNumbers + vector], x);
        }
    }

    private void ReadColumn()
    {
        _a.mov(Column, __qword_ptr[Args + AttentionField.Column]);
        _a.shl(Column, 2);
    }

    // With the pointer at the results of the query, and the column in bytes.
    private void ForEachY(Action<int, int> write)
    {
        for (int query = 0; query < _queries; query++)
        {
            _a.mov(Pointer, __qword_ptr[Args + AttentionField.Y]);
            _a.mov(Pointer, __qword_ptr[Pointer + (query * sizeof(long))]);
            for (int vector = 0; vector < Vectors; vector++)
                write(query, vector);
        }
    }

    private static AssemblerRegisterZMM Sum(int query, int vector) => Zmm[(query * Vectors) + vector];

    private static AssemblerMemoryOperand Y(int vector) => __zmmword_ptr[Pointer + Column + (vector * VectorBytes)];
}
