using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Steer.Kernels.Host.CodeGen;

/// <summary>
/// How a function that is made at run time begins and ends: it takes one pointer, calls nothing and may change every vector register.
/// </summary>
internal static class CallFrame
{
    /// <summary>The argument, after <see cref="Enter"/>.</summary>
    public static readonly AssemblerRegister64 Args = rcx;

    /// <summary>The vector registers.</summary>
    public static readonly AssemblerRegisterZMM[] Zmm =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
    ];

    private const int FirstSavedOnWindows = 6;
    private const int LastSavedOnWindows = 15;
    private const int SavedBytes = 16;

    private static readonly AssemblerRegisterXMM[] Xmm =
        [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];

    /// <summary>Saves what is the caller's.</summary>
    public static void Enter(Assembler a, CallingConvention convention)
    {
        if (convention == CallingConvention.SystemV)
        {
            a.mov(Args, rdi);
            return;
        }

        // No unwind data: nothing in here calls or throws.
        a.sub(rsp, (LastSavedOnWindows - FirstSavedOnWindows + 1) * SavedBytes);
        for (int i = FirstSavedOnWindows; i <= LastSavedOnWindows; i++)
            a.vmovups(__xmmword_ptr[rsp + ((i - FirstSavedOnWindows) * SavedBytes)], Xmm[i]);
    }

    /// <summary>Gives it back and returns.</summary>
    public static void Leave(Assembler a, CallingConvention convention)
    {
        a.vzeroupper();
        if (convention == CallingConvention.Windows)
        {
            for (int i = FirstSavedOnWindows; i <= LastSavedOnWindows; i++)
                a.vmovups(Xmm[i], __xmmword_ptr[rsp + ((i - FirstSavedOnWindows) * SavedBytes)]);
            a.add(rsp, (LastSavedOnWindows - FirstSavedOnWindows + 1) * SavedBytes);
        }
        a.ret();
    }

    /// <summary>The bytes of what was written.</summary>
    public static byte[] Bytes(Assembler a)
    {
        using var code = new MemoryStream();
        a.Assemble(new StreamCodeWriter(code), 0);
        return code.ToArray();
    }
}
