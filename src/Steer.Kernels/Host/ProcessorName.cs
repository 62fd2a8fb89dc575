using System.Text;
using System.Runtime.Intrinsics.X86;
using System.Runtime.InteropServices;

namespace Steer.Kernels.Host;

/// <summary>What the processor calls itself.</summary>
internal static class ProcessorName
{
    /// <summary>The brand string of an x86 processor (CPUID leaves 0x80000002 to 4), the architecture's name on others.</summary>
    public static string Read()
    {
        if (!X86Base.IsSupported || (uint)X86Base.CpuId(unchecked((int)0x80000000), 0).Eax < 0x80000004)
            return RuntimeInformation.ProcessArchitecture.ToString();
        var bytes = new byte[48];
        for (int leaf = 0; leaf < 3; leaf++)
        {
            var (a, b, c, d) = X86Base.CpuId(unchecked((int)0x80000002) + leaf, 0);
            MemoryMarshal.AsBytes<int>([a, b, c, d]).CopyTo(bytes.AsSpan(16 * leaf));
        }
        return Encoding.ASCII.GetString(bytes).TrimEnd('\0').Trim();
    }
}
