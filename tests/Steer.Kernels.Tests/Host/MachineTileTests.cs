using Iced.Intel;
using Steer.Kernels.Host.CodeGen;

namespace Steer.Kernels.Tests.Host;

/// <summary>
/// The machine code of every tile for both calling conventions, decoded: on any machine, whatever its processor and system. That it multiplies right is
/// held by <see cref="HostFormatTests"/> where it can run.
/// </summary>
public sealed class MachineTileTests
{
    private static readonly CpuidFeature[] Needed =
    [
        CpuidFeature.X64, CpuidFeature.INTEL8086, CpuidFeature.INTEL386, CpuidFeature.CMOV, CpuidFeature.SSE, CpuidFeature.PREFETCHW, CpuidFeature.AVX, CpuidFeature.AVX512F, CpuidFeature.AVX512BW,
        CpuidFeature.AVX512_BF16, CpuidFeature.AVX512_VNNI,
    ];

    private const string Scores = "scores";
    private const string Values = "values";

    /// <summary>Tiles of products by the type of the weight, the two of attention, and how many rows or queries they have.</summary>
    public static TheoryData<string, int> Shapes
    {
        get
        {
            var shapes = new TheoryData<string, int>();
            foreach (string tile in new[] { nameof(DType.BF16), nameof(DType.Int8), nameof(DType.Int4), Scores, Values })
            {
                for (int rows = 1; rows <= TileAssembler.MaxRows; rows++)
                    shapes.Add(tile, rows);
            }

            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Code_uses_the_promised_instructions_and_returns_once(string tile, int rows)
    {
        foreach (CallingConvention convention in Enum.GetValues<CallingConvention>())
        {
            Instruction[] code = Decode(tile, rows, convention);
            Assert.All(code, i => Assert.Empty(i.CpuidFeatures.Except(Needed)));
            Assert.Equal(code.Length - 1, Array.FindIndex(code, i => i.Mnemonic == Mnemonic.Ret));
            // The step of a bfloat16 tile is one pair, that of the others a block of eight groups.
            bool blocks = tile is nameof(DType.Int8) or nameof(DType.Int4);
            int products = code.Count(i => i.Mnemonic == (blocks ? Mnemonic.Vpdpbusd : Mnemonic.Vdpbf16ps));
            Assert.Equal(2 * rows * (blocks ? 8 : 1), products);
            // No sum is lost to another: each product has a register of its own in every group.
            Assert.Equal(2 * rows, code.Where(i => i.Mnemonic is Mnemonic.Vdpbf16ps or Mnemonic.Vpdpbusd).Select(i => i.Op0Register).Distinct().Count());
            Assert.DoesNotContain(code, i => i.Mnemonic == Mnemonic.Call);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Registers_of_the_caller_are_left_or_restored(string tile, int rows)
    {
        Register[] general = [Register.RBX, Register.RBP, Register.R12, Register.R13, Register.R14, Register.R15];
        Assert.Empty(Written(Decode(tile, rows, CallingConvention.SystemV)).Intersect(general));

        Instruction[] windows = Decode(tile, rows, CallingConvention.Windows);
        Assert.Empty(Written(windows).Intersect([.. general, Register.RDI, Register.RSI]));
        for (int i = 6; i <= 15; i++)
        {
            Register xmm = Register.XMM0 + i;
            Instruction save = windows.First(c => c.OpCount > 0 && Enumerable.Range(0, c.OpCount).Any(o => c.GetOpKind(o) == OpKind.Register && Full(c.GetOpRegister(o)) == Full(xmm)));
            Instruction restore = windows.Last(c => c.OpCount > 0 && c.Op0Kind == OpKind.Register && Full(c.Op0Register) == Full(xmm));
            Assert.Equal((Mnemonic.Vmovups, xmm, Register.RSP), (save.Mnemonic, save.Op1Register, save.MemoryBase));
            Assert.Equal((Mnemonic.Vmovups, xmm, Register.RSP), (restore.Mnemonic, restore.Op0Register, restore.MemoryBase));
            Assert.Equal(save.MemoryDisplacement64, restore.MemoryDisplacement64);
        }

        Instruction[] stack = [.. windows.Where(c => c.OpCount > 0 && c.Op0Kind == OpKind.Register && c.Op0Register == Register.RSP)];
        Assert.All(stack, c => Assert.True(c.Mnemonic is Mnemonic.Sub or Mnemonic.Add));
        Assert.Equal(0, stack.Sum(c => c.Mnemonic == Mnemonic.Sub ? (long)c.GetImmediate(1) : -(long)c.GetImmediate(1)));
        // Zeroing the upper halves comes before the caller's registers come back.
        Assert.True(
            Array.FindIndex(windows, c => c.Mnemonic == Mnemonic.Vzeroupper) < Array.FindLastIndex(windows, c => c.Mnemonic == Mnemonic.Vmovups) - 9);
    }

    private static byte[] Assemble(string tile, int rows, CallingConvention convention) => tile switch
    {
        Scores => AttentionAssembler.Scores(rows, convention),
        Values => AttentionAssembler.Values(rows, convention),
        _ => TileAssembler.Assemble(new TileShape(Enum.Parse<DType>(tile), rows), convention),
    };

    private static Instruction[] Decode(string tile, int rows, CallingConvention convention)
    {
        byte[] code = Assemble(tile, rows, convention);
        var decoder = Decoder.Create(64, code);
        var instructions = new List<Instruction>();
        while (decoder.IP < (ulong)code.Length)
        {
            instructions.Add(decoder.Decode());
            Assert.Equal(DecoderError.None, decoder.LastError);
        }

        return [.. instructions];
    }

    private static IEnumerable<Register> Written(Instruction[] code)
    {
        var factory = new InstructionInfoFactory();
        return code.SelectMany(i => factory.GetInfo(i).GetUsedRegisters())
            .Where(u => u.Access is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite or OpAccess.ReadCondWrite)
            .Select(u => Full(u.Register)).Distinct();
    }

    private static Register Full(Register register) => register.GetFullRegister();
}
