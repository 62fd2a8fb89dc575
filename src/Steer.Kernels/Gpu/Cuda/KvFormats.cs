using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>The numbers of one row of values that a lane multiplies: its 8 of a block of 64 columns, in 16-byte pieces.</summary>
internal struct ValuePieces
{
    public Words4 First;
    public Words4 Second;
}

/// <summary>
/// How a cache's numbers come out of 16-byte pieces. A head is read in spans of 4 pieces, one for each lane of four: which of them form a step of the
/// tensor core is free, as queries are read in the same order. Values are read in blocks of 64 columns, 8 neighbours (or two runs of 4) to a lane.
/// </summary>
internal interface IKvFormat
{
    /// <summary>1 where a number has more bits than an operand of a tensor core, and so enters as two.</summary>
    int TwoParts { get; }

    /// <summary>1 where each position of a head has a scale.</summary>
    int HasScales { get; }

    /// <summary>Fours of numbers in a piece.</summary>
    int Fours { get; }

    /// <summary>Words of a block of 64 columns.</summary>
    int BlockWords { get; }

    /// <summary>1 where a lane's values of a row are two pieces, half a block apart.</summary>
    int TwoPieces { get; }

    /// <summary>Four numbers of a piece of keys.</summary>
    Floats4 Four(Words4 piece, int four);

    /// <summary>Word of a block's row where the (first) piece of column <paramref name="g"/> of each tile lies.</summary>
    int ValueWord(int g);

    /// <summary>A piece of a row of values with what is of column <paramref name="g"/> of each tile at its beginning.</summary>
    Words4 Own(Words4 piece, int g);

    /// <summary>What a lane's column of each of the first four tiles has in its pieces of a row.</summary>
    Floats4 FirstFour(ValuePieces pieces);

    /// <summary>The same of the last four tiles.</summary>
    Floats4 LastFour(ValuePieces pieces);

    /// <summary>Which of 64 columns is column 2t of tile <paramref name="tile"/>, less t times <see cref="ColumnsPerLane"/>.</summary>
    int Column(int tile);

    /// <summary>
    /// Word of a block's row where column <paramref name="g"/> of the first of a warp's two tiles lies, which share 16 of the 64 columns.
    /// </summary>
    int WarpWord(int warp, int g);

    /// <summary>The numbers that column <paramref name="g"/> of a warp's two tiles has in a row that <see cref="WarpWord"/> lies in.</summary>
    Pair TwoColumns(ArrayView<uint> values, int word, int g);

    /// <summary>Which of a warp's 16 columns is a column of one of its tiles.</summary>
    int WarpColumn(int tile, int column);

    /// <summary>Neighbouring columns that a lane's sums are of, those of columns 2t of tiles and then those of columns 2t + 1.</summary>
    int ColumnsPerLane { get; }
}

/// <summary>float32.</summary>
internal struct F32Kv : IKvFormat
{
    public readonly int TwoParts => 1;

    public readonly int HasScales => 0;

    public readonly int Fours => 1;

    public readonly int BlockWords => 64;

    public readonly int TwoPieces => 1;

    public readonly Floats4 Four(Words4 piece, int four) => Floats4.Of(piece);

    public readonly int ValueWord(int g) => 4 * g;

    public readonly Words4 Own(Words4 piece, int g) => piece;

    public readonly Floats4 FirstFour(ValuePieces pieces) => Floats4.Of(pieces.First);

    public readonly Floats4 LastFour(ValuePieces pieces) => Floats4.Of(pieces.Second);

    public readonly int Column(int tile) => (tile / 4 * 32) + (tile % 4);

    public readonly int WarpWord(int warp, int g) => (16 * warp) + g;

    public readonly Pair TwoColumns(ArrayView<uint> values, int word, int g) =>
        new() { X = Interop.IntAsFloat(values[word]), Y = Interop.IntAsFloat(values[word + 8]) };

    public readonly int WarpColumn(int tile, int column) => (8 * tile) + column;

    public readonly int ColumnsPerLane => 8;
}

/// <summary>bfloat16, two numbers to a word.</summary>
internal struct BF16Kv : IKvFormat
{
    public readonly int TwoParts => 0;

    public readonly int HasScales => 0;

    public readonly int Fours => 2;

    public readonly int BlockWords => 32;

    public readonly int TwoPieces => 0;

    public readonly Floats4 Four(Words4 piece, int four)
    {
        uint first = four == 0 ? piece.X : piece.Z, second = four == 0 ? piece.Y : piece.W;
        return Four(first, second);
    }

    public readonly int ValueWord(int g) => 4 * g;

    public readonly Words4 Own(Words4 piece, int g) => piece;

    public readonly Floats4 FirstFour(ValuePieces pieces) => Four(pieces.First.X, pieces.First.Y);

    public readonly Floats4 LastFour(ValuePieces pieces) => Four(pieces.First.Z, pieces.First.W);

    public readonly int Column(int tile) => tile;

    public readonly int WarpWord(int warp, int g) => (8 * warp) + g;

    public readonly Pair TwoColumns(ArrayView<uint> values, int word, int g)
    {
        uint both = values[word];
        return new() { X = Numbers.BF16(both), Y = Numbers.UpperBF16(both) };
    }

    public readonly int WarpColumn(int tile, int column) => (2 * column) + tile;

    public readonly int ColumnsPerLane => 16;

    private static Floats4 Four(uint first, uint second) => new()
    {
        X = Numbers.BF16(first),
        Y = Numbers.UpperBF16(first),
        Z = Numbers.BF16(second),
        W = Numbers.UpperBF16(second),
    };
}

/// <summary>8 bits and scales, four numbers to a word.</summary>
internal struct Int8Kv : IKvFormat
{
    public readonly int TwoParts => 0;

    public readonly int HasScales => 1;

    public readonly int Fours => 4;

    public readonly int BlockWords => 16;

    public readonly int TwoPieces => 0;

    public readonly Floats4 Four(Words4 piece, int four) => Four(piece[four]);

    public readonly int ValueWord(int g) => (g >> 1) * 4;

    public readonly Words4 Own(Words4 piece, int g) => (g & 1) == 0 ? piece : new Words4 { X = piece.Z, Y = piece.W };

    public readonly Floats4 FirstFour(ValuePieces pieces) => Four(pieces.First.X);

    public readonly Floats4 LastFour(ValuePieces pieces) => Four(pieces.First.Y);

    public readonly int Column(int tile) => tile;

    public readonly int WarpWord(int warp, int g) => (4 * warp) + (g >> 1);

    public readonly Pair TwoColumns(ArrayView<uint> values, int word, int g)
    {
        uint both = (values[word] ^ 0x80808080u) >> (16 * (g & 1));
        return new() { X = Byte(both), Y = Byte(both >> 8) };
    }

    public readonly int WarpColumn(int tile, int column) => (2 * column) + tile;

    public readonly int ColumnsPerLane => 16;

    private static Floats4 Four(uint word)
    {
        word ^= 0x80808080u;
        return new() { X = Byte(word), Y = Byte(word >> 8), Z = Byte(word >> 16), W = Byte(word >> 24) };
    }

    // The lowest byte less 128: as the last bits of 2^23, which costs less than a conversion.
    private static float Byte(uint word) => Interop.IntAsFloat(0x4B000000u | (word & 255)) - 8388736f;
}
