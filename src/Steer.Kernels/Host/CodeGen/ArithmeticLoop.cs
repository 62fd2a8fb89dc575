using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Steer.Kernels.Host.CodeGen;

/// <summary>Loops of nothing but the instructions that C# does not have: what the processor can do with them at most.</summary>
internal static unsafe class ArithmeticLoop
{
    /// <summary>Independent sums, more than an instruction's latency asks for.</summary>
    public const int Chains = 12;

    // Registers that a function may change on every system.
    private static readonly AssemblerRegisterZMM[] Sums = [zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27];

    /// <summary>
    /// Runs as many turns of one vdpbf16ps in each chain as its argument says; null where the system lets no memory become executable.
    /// </summary>
    public static delegate* unmanaged<long, void> BF16 => Make((code, sum) => code.vdpbf16ps(sum, zmm30, zmm31));

    /// <summary>The same with vpdpbusd.</summary>
    public static delegate* unmanaged<long, void> Int8 => Make((code, sum) => code.vpdpbusd(sum, zmm30, zmm31));

    private static delegate* unmanaged<long, void> Make(Action<Assembler, AssemblerRegisterZMM> multiply)
    {
        var code = new Assembler(64);
        var turn = code.CreateLabel();
        if (!OperatingSystem.IsWindows())
            code.mov(rcx, rdi);
        foreach (var register in Sums.Append(zmm30).Append(zmm31))
            code.vpxord(register, register, register);
        code.Label(ref turn);
        foreach (var sum in Sums)
            multiply(code, sum);
        code.dec(rcx);
        code.jne(turn);
        code.ret();
        using var bytes = new MemoryStream();
        code.Assemble(new StreamCodeWriter(bytes), 0);
        return (delegate* unmanaged<long, void>)ExecutableMemory.Place(bytes.ToArray());
    }
}
