using System.Text.RegularExpressions;
using ILGPU;
using Steer.Kernels.Gpu;
using Steer.Kernels.Tests.Ptx;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>
/// Every kernel compiles for GPUs on a machine that has none: to PTX for the first architecture that has bfloat16 and for the H100's, and to
/// OpenCL C; at both of ILGPU's levels of optimisation, as its second one has had defects of its own.
/// </summary>
public sealed partial class CompileTests
{
    /// <summary>
    /// What a thread of a product may need at once of the 255 registers that it can have: what does not fit goes to local memory, which the PTX does not show. ptxas 12.4
    /// takes up to 1.2 times what is estimated for such a tile at O1; at O2, where ILGPU reads all operands first, it took 176 of 242, and spilled 48 bytes of 250.
    /// The two large tiles of exact halves and bfloat16 keep to it at O1 alone, which is what devices use: at O2 they spill up to 470 bytes.
    /// </summary>
    private const int MaxRegisters = 242;

    /// <summary>The same for attention of prompts with heads wider than 64, of which ptxas 12.4 spilled at most 8 bytes, for sm_80, where 277 are estimated.</summary>
    private const int MaxWideRegisters = 280;

    [Theory]
    [InlineData(8, 0, OptimizationLevel.O2)]
    [InlineData(9, 0, OptimizationLevel.O1)]
    public void Kernels_compile_to_PTX_that_keeps_everything_in_registers(int major, int minor, OptimizationLevel level)
    {
        IReadOnlyDictionary<string, string> texts = KernelCompiler.Ptx(major, minor, level);
        Assert.Equal(KernelCatalog.All.Count, texts.Count);
        foreach ((string name, string code) in texts)
        {
            Assert.Contains($".visible .entry Kernel_{name}(", code, StringComparison.Ordinal);
            // Local memory is what ILGPU hands operands of inline assembly over in, and where arrays of a thread lie.
            Assert.False(code.Contains(".local", StringComparison.Ordinal), $"{name} uses local memory.");
            if (IsEstimated(name, level))
            {
                int registers = PtxRegisterEstimate.Of(code), most = name.StartsWith("AttentionWide", StringComparison.Ordinal) ? MaxWideRegisters : MaxRegisters;
                Assert.True(registers <= most, $"{name} needs about {registers} registers.");
            }

            // A kernel begins before the one ahead has ended, and has to wait for it.
            Assert.Equal(major >= 9, code.Contains("griddepcontrol.wait;", StringComparison.Ordinal));
            // ILGPU finds out at its second level which memory an address is of; what has to be fast says it itself.
            if (level == OptimizationLevel.O2)
                Assert.False(GenericAccess().IsMatch(code), $"{name}: {GenericAccess().Match(code).Value.Trim()}");
            // The address of shared memory is known to be one: converting it would make another of it.
            Assert.DoesNotContain("cvta.to.shared", code, StringComparison.Ordinal);
            // ILGPU takes the whole number of a condition for a float's bits: a count of `condition ? 1 : 0` in float32 would stay at 1e-45.
            Assert.False(Subnormal().IsMatch(code), $"{name}: {Subnormal().Match(code).Value.Trim()}");
            // CUDA's quick versions of these know 11 to 21 bits, which is why KernelMath has its own.
            Assert.DoesNotMatch("(tanh|sin|cos)\\.approx", code);
        }

        // Tensor cores and asynchronous copies, in the tiles and nowhere else.
        foreach (KernelSource kernel in KernelCatalog.All)
            Assert.Equal(kernel.TensorCores, texts[kernel.Method.Name].Contains("mma.sync.aligned.m16n8k", StringComparison.Ordinal));
        Assert.Contains("cp.async.cg.shared.global", texts["MatMulTile128BF16"], StringComparison.Ordinal);
        Assert.Contains("ld.global.nc.v4.u32", texts["MatMulStreamInt4"], StringComparison.Ordinal);
        Assert.All(["LoraDown", "LoraUp"], k => Assert.Contains("ld.global.nc.v4.u32", texts[k], StringComparison.Ordinal));
        Assert.Contains("fma.rn.f32", texts["MatMulRowF32"], StringComparison.Ordinal);
    }

    /// <summary>The other two pairs of architecture and level, each of which has been seen above.</summary>
    [Theory]
    [Trait("Category", "Heavy")]
    [InlineData(8, 0, OptimizationLevel.O1)]
    [InlineData(9, 0, OptimizationLevel.O2)]
    public void Kernels_compile_to_PTX_for_every_architecture_at_every_level(int major, int minor, OptimizationLevel level) =>
        Kernels_compile_to_PTX_that_keeps_everything_in_registers(major, minor, level);

    [Theory]
    [InlineData(OptimizationLevel.O1)]
    [InlineData(OptimizationLevel.O2)]
    public void Kernels_compile_to_OpenCL(OptimizationLevel level)
    {
        IReadOnlyDictionary<string, string> texts = KernelCompiler.OpenCl(level);
        Assert.Equal(KernelCatalog.All.Count(k => !k.TensorCores), texts.Count);
        Assert.All(texts, t => Assert.Contains($"kernel void Kernel_{t.Key}", t.Value, StringComparison.Ordinal));
        Assert.Contains("fma (", texts["MatMulRowF32"], StringComparison.Ordinal);
    }

    // Of attention O1's text tells nothing: the estimate is up to twice what ptxas takes of it. That of O2's is near it.
    private static bool IsEstimated(string kernel, OptimizationLevel level) =>
        kernel.StartsWith("Attention", StringComparison.Ordinal) ? level == OptimizationLevel.O2
        : kernel.StartsWith("MatMulTile128Exact", StringComparison.Ordinal) ? level == OptimizationLevel.O1
        : kernel.StartsWith("MatMul", StringComparison.Ordinal);

    /// <summary>A load or store that does not say which memory it goes to, and so has to find out.</summary>
    [GeneratedRegex(@"^\s*(@%p\d+\s+)?(ld|st)\.(v\d\.)?[usfb]\d+\b.*", RegexOptions.Multiline)]
    private static partial Regex GenericAccess();

    /// <summary>A constant so small that it can only be a whole number misread.</summary>
    [GeneratedRegex(@"^.*\b(0f00[0-7][0-9A-F]{5}(?<!0f0{8})|0d000[0-9A-F]{13}(?<!0d0{16}))\b.*", RegexOptions.Multiline)]
    private static partial Regex Subnormal();
}
