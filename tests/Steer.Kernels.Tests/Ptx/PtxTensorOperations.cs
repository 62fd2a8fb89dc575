using System.Numerics;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>
/// mma.sync of 16 rows, 8 columns and any k: D = A B + C. Of floating point numbers products are exact and so, but for float64's rounding, are sums, which are rounded once; a
/// card cuts bits off where this rounds. The fragments are those of the PTX ISA ("Matrix Fragments for mma.m16n8k8, m16n8k16, m16n8k32"): lane 4 g + t holds in register r of A
/// row g + 8 (r mod 2), and there the elements of k from e (t + 4 (r / 2)) on, as many as a register holds (e); in register r of B column g and k from e (t + 4 r) on; of C and
/// D row g + 8 (r / 2), column 2 t + r mod 2.
/// </summary>
internal sealed unsafe class MatrixOperation : PtxConvergent
{
    private const int Rows = 16;
    private const int Columns = 8;

    private readonly int _k;
    private readonly int _perRegister;
    private readonly bool _whole;
    private readonly Func<uint, int, double> _element;
    private readonly int[] _d;
    private readonly int[] _a;
    private readonly int[] _b;
    private readonly int[] _c;

    public MatrixOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        string[] parts = statement.Mnemonic.Split('.');
        if (parts is not ["mma", "sync", "aligned", _, "row", "col", var d, var a, var b, var c] || !parts[3].StartsWith("m16n8k", StringComparison.Ordinal)
            || a != b || c != d || d is not ("f32" or "s32"))
            throw new FormatException($"line {statement.Line}: {statement}: no such product is known here");
        _k = int.Parse(parts[3].AsSpan(6), System.Globalization.CultureInfo.InvariantCulture);
        _whole = d == "s32";
        (_perRegister, _element) = a switch
        {
            "bf16" => (2, (Func<uint, int, double>)((w, i) => BitConverter.UInt32BitsToSingle(w >> (16 * i) << 16))),
            "f16" => (2, (w, i) => (double)BitConverter.UInt16BitsToHalf((ushort)(w >> (16 * i)))),
            "tf32" => (1, (w, _) => BitConverter.UInt32BitsToSingle(w & 0xFFFFE000)),
            "s8" => (4, (w, i) => (sbyte)(w >> (8 * i))),
            "u8" => (4, (w, i) => (byte)(w >> (8 * i))),
            _ => throw new FormatException($"line {statement.Line}: {statement}: no such product is known here"),
        };
        (_d, _a, _b, _c) = (Destinations(0, 4), Sources(1, 4), Sources(2, 4), Sources(3, 4));
        if ((_a.Length, _b.Length, _c.Length, _d.Length) != (_k / _perRegister / 2, _k / _perRegister / 4, 4, 4))
            throw new FormatException($"line {statement.Line}: {statement}: the fragments do not fit");
    }

    public override void Execute(PtxWarp warp)
    {
        if (warp.Active != uint.MaxValue)
            throw warp.Fault("a product takes all 32 lanes");
        Span<double> a = stackalloc double[Rows * _k], b = stackalloc double[_k * Columns];
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            int g = lane / 4, t = lane % 4;
            for (int r = 0; r < _a.Length; r++)
            {
                for (int i = 0; i < _perRegister; i++)
                    a[((g + (8 * (r % 2))) * _k) + (_perRegister * (t + (4 * (r / 2)))) + i] = _element(warp.Unit<uint>(_a[r])[lane], i);
            }

            for (int r = 0; r < _b.Length; r++)
            {
                for (int i = 0; i < _perRegister; i++)
                    b[(g * _k) + (_perRegister * (t + (4 * r))) + i] = _element(warp.Unit<uint>(_b[r])[lane], i);
            }
        }

        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            for (int r = 0; r < 4; r++)
            {
                int row = (lane / 4) + (8 * (r / 2)), column = (2 * (lane % 4)) + (r % 2);
                double sum = 0;
                for (int k = 0; k < _k; k++)
                    sum += a[(row * _k) + k] * b[(column * _k) + k];
                if (_whole)
                    warp.Unit<int>(_d[r])[lane] = warp.Unit<int>(_c[r])[lane] + (int)sum;
                else
                    warp.Unit<float>(_d[r])[lane] = (float)(warp.Unit<float>(_c[r])[lane] + sum);
            }
        }
    }
}

/// <summary>
/// ldmatrix: 8 x 8 matrices of 16-bit elements from rows of 16 bytes in shared memory, to whose addresses each lane gives one ("Warp-level matrix load instruction: ldmatrix"). Lane
/// l gets of each matrix the elements 2 (l mod 4) and the next of row l / 4; transposed, of column l / 4.
/// </summary>
internal sealed unsafe class LoadMatrixOperation : PtxConvergent
{
    private readonly bool _transposed;
    private readonly int[] _d;
    private readonly PtxAddress _address;

    public LoadMatrixOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        string[] parts = statement.Mnemonic.Split('.');
        if (!parts.Contains("m8n8") || !parts.Contains("b16"))
            throw new FormatException($"line {statement.Line}: {statement}: no such load is known here");
        _transposed = parts.Contains("trans");
        _d = Destinations(0, 4);
        _address = new PtxAddress(statement.Operands[1], Read);
    }

    public override void Execute(PtxWarp warp)
    {
        if (warp.Active != uint.MaxValue)
            throw warp.Fault("a load of matrices takes all 32 lanes");
        Span<ushort> elements = stackalloc ushort[64];
        Span<ulong> addresses = stackalloc ulong[PtxWarp.Lanes];
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
            addresses[lane] = _address[warp, lane];
        for (int m = 0; m < _d.Length; m++)
        {
            for (int row = 0; row < 8; row++)
            {
                int lane = (8 * m) + row;
                new Span<ushort>(warp.Locate(lane, PtxSpace.Shared, addresses[lane], 16, PtxAccessKind.Read), 8).CopyTo(elements[(8 * row)..]);
            }

            for (int lane = 0; lane < PtxWarp.Lanes; lane++)
            {
                int line = lane / 4, pair = 2 * (lane % 4);
                (uint low, uint high) = _transposed
                    ? (elements[(8 * pair) + line], elements[(8 * (pair + 1)) + line])
                    : ((uint)elements[(8 * line) + pair], (uint)elements[(8 * line) + pair + 1]);
                warp.Unit<uint>(_d[m])[lane] = low | (high << 16);
            }
        }
    }
}
