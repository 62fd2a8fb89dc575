using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.IR.Intrinsics;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Memory by 16 bytes at a time, and copies that a thread does not wait for: single instructions on CUDA. An address is a multiple of 16 bytes.
/// The bodies of the private methods are for ILGPU's CPU accelerator, which runs them as they are.
/// </summary>
internal static partial class WideMemory
{
    /// <summary>Numbers of 32 bytes, the least that comes closer at once.</summary>
    public const int PrefetchRun = 32 / sizeof(float);

    /// <summary>
    /// Reads 16 bytes of global memory that nobody writes meanwhile. The assembler may have them read before a wait for the kernel before (see
    /// <see cref="LaunchOrder"/>): weights, or what lies at a place that is itself read after the wait.
    /// </summary>
    public static Words4 LoadConstant(ArrayView<uint> source, long index) => LoadConstant(ref source[index]);

    /// <summary>Reads 16 bytes of global memory.</summary>
    public static Words4 LoadGlobal(ArrayView<uint> source, long index) => LoadGlobal(ref source[index]);

    /// <summary>Reads 16 bytes of shared memory.</summary>
    public static Words4 LoadShared(ArrayView<uint> source, long index) => LoadShared(ref source[index]);

    /// <summary>Has the memory around a number come as close as the cache that all multiprocessors share.</summary>
    public static void Prefetch(ArrayView<float> source, long index) => Prefetch(ref source[index]);

    /// <summary>Begins to copy 16 bytes from global to shared memory.</summary>
    public static void Copy(ArrayView<uint> shared, long index, ArrayView<uint> source, long sourceIndex) =>
        Copy(ref shared[index], ref source[sourceIndex]);

    /// <summary>Makes the copies that this thread began since the last call one stage.</summary>
    [IntrinsicImplementation]
    public static void EndStage()
    {
    }

    /// <summary>Waits until all stages of this thread's copies but the newest are there.</summary>
    /// <param name="stages">How many of the newest may be missing: a constant where this is called.</param>
    [IntrinsicImplementation]
    public static void WaitForAllBut(int stages)
    {
    }

    [IntrinsicImplementation]
    private static void Prefetch(ref float source)
    {
    }

    [IntrinsicImplementation]
    private static Words4 LoadConstant(ref uint source) => Unsafe.As<uint, Words4>(ref source);

    [IntrinsicImplementation]
    private static Words4 LoadGlobal(ref uint source) => Unsafe.As<uint, Words4>(ref source);

    [IntrinsicImplementation]
    private static Words4 LoadShared(ref uint source) => Unsafe.As<uint, Words4>(ref source);

    [IntrinsicImplementation]
    private static void Copy(ref uint shared, ref uint source) =>
        Unsafe.As<uint, Words4>(ref shared) = Unsafe.As<uint, Words4>(ref source);
}
