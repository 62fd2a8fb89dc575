using System.Globalization;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Steer.Kernels;

namespace Steer.Benchmarks;

/// <summary>
/// What a GPU can do at most, from its clocks and units as its driver tells them: for CUDA cards, dense, without sparsity. Other GPUs do not tell: their limits
/// are infinite, and no share of them is shown.
/// </summary>
/// <param name="Gflops">Float32 outside tensor cores, in 10^9 operations per second.</param>
/// <param name="BF16Gflops">bfloat16 on tensor cores.</param>
/// <param name="GigabytesPerSecond">Memory.</param>
internal sealed record GpuLimits(double Gflops, double BF16Gflops, double GigabytesPerSecond)
{
    /// <summary>The limits of an accelerator.</summary>
    public static GpuLimits Of(Accelerator accelerator)
    {
        if (accelerator is not CudaAccelerator cuda)
            return new GpuLimits(double.PositiveInfinity, double.PositiveInfinity, double.PositiveInfinity);
        // Clocks in MHz; memory sends twice a clock.
        double clock = 1e-3 * cuda.ClockRate * cuda.NumMultiprocessors;
        (int lanes, int tensor) = cuda.Architecture is { } architecture ? PerClock(architecture.Major, architecture.Minor) : (0, 0);
        return new GpuLimits(2 * lanes * clock, 2 * tensor * clock, 2 * 1e-3 * cuda.MemoryClockRate * cuda.MemoryBusWidth / 8);
    }

    /// <summary>As a table begins with them.</summary>
    public override string ToString() => double.IsInfinity(Gflops)
        ? "limits: unknown"
        : string.Create(
            CultureInfo.InvariantCulture, $"limits: {Gflops:F0} GFLOP/s ({BF16Gflops:F0} in bf16), {GigabytesPerSecond:F0} GB/s from memory");

    /// <summary>The shortest time, in seconds, in which a workload could be done; 0 where that is not known.</summary>
    public double Seconds(Workload work)
    {
        double gflops = work.Format switch
        {
            (DType.BF16, true) => BF16Gflops,
            (DType.Int8 or DType.Int4, true) => 2 * BF16Gflops,
            _ => Gflops,
        };
        return Math.Max(work.Flops / (1e9 * gflops), work.Bytes / (1e9 * GigabytesPerSecond));
    }

    /// <summary>
    /// Multiply-adds of a multiprocessor in a clock, float32 and dense bfloat16 (NVIDIA's architecture white papers; CUDA C++ Programming Guide, "Arithmetic
    /// Instructions").
    /// </summary>
    internal static (int Float32, int BF16) PerClock(int major, int minor) => (major, minor) switch
    {
        (8, 0) => (64, 1024),
        (8, _) => (128, 512),
        (9, _) => (128, 2048),
        _ => (128, 1024),
    };
}
