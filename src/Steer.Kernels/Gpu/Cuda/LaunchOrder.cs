using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.Runtime.Cuda;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// How a kernel follows the one before it in a recorded step (programmatic dependent launch; sm_90 and later, elsewhere nothing). Where the one
/// before lets it, its groups take their places as soon as all groups of that have begun, and wait there until what those wrote can be read:
/// launching it, and what it does before it waits, cost no time of their own. A kernel that says nothing of it waits before its first instruction;
/// one that says it itself may read before only what no kernel of a step writes: weights.
/// </summary>
internal static partial class LaunchOrder
{
    private const string BeginNextPtx = "griddepcontrol.launch_dependents", WaitPtx = "griddepcontrol.wait";

    /// <summary>
    /// In a pass of few rows, the groups of the next kernel may take their places once all of this one's have called, or ended. With many, groups
    /// that come early would crowd where there happens to be room.
    /// </summary>
    /// <param name="rows">Rows of the pass.</param>
    public static void LetNextBegin(int rows)
    {
        if (rows <= MatMulStreamKernel.MaxRows)
            BeginNext();
    }

    /// <summary>As <see cref="LetNextBegin"/>, whatever the rows: where the next kernel's groups are small and soon done.</summary>
    [IntrinsicImplementation]
    public static void BeginNext()
    {
    }

    /// <summary>
    /// Waits until the kernel before has ended and what it wrote is there. Every thread calls, before it writes anything or reads what a kernel
    /// writes.
    /// </summary>
    [IntrinsicImplementation]
    public static void WaitForPrevious()
    {
    }

    /// <summary>Tells a context's backends how to write the instructions of this class.</summary>
    public static Context.Builder EnableLaunchOrder(this Context.Builder builder)
    {
        CudaInstructions.Register(builder, BeginNext, WriteBeginNext, CudaInstructions.WriteNothing);
        CudaInstructions.Register(builder, WaitForPrevious, WriteWait, CudaInstructions.WriteNothing);
        return builder;
    }

    /// <summary>
    /// The PTX of a kernel for a backend with what it does not say itself: that it waits first, and that it needs sm_90, where ILGPU names the least
    /// that it knows of.
    /// </summary>
    public static string Complete(PTXBackend backend, string ptx)
    {
        if (!IsKnownTo(backend))
            return ptx;
        ptx = Target().Replace(ptx, ".target sm_90", 1);
        if (ptx.Contains(WaitPtx, StringComparison.Ordinal))
            return ptx;
        int body = ptx.IndexOf('{', ptx.IndexOf(".entry", StringComparison.Ordinal)) + 1;
        return ptx.Insert(body, $"\n\t{WaitPtx};");
    }

    private static bool IsKnownTo(PTXBackend backend) =>
        backend.Architecture >= CudaArchitecture.SM_90 && backend.InstructionSet >= CudaInstructionSet.ISA_78;

    private static void WriteBeginNext(PTXBackend backend, PTXCodeGenerator generator, Value value) => Write(backend, generator, BeginNextPtx);

    private static void WriteWait(PTXBackend backend, PTXCodeGenerator generator, Value value) => Write(backend, generator, WaitPtx);

    [GeneratedRegex(@"\.target \w+")]
    private static partial Regex Target();

    private static void Write(PTXBackend backend, PTXCodeGenerator generator, string instruction)
    {
        if (IsKnownTo(backend))
            generator.Command(instruction);
    }
}
