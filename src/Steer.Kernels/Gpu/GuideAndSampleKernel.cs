namespace Steer.Kernels.Gpu;

internal static class GuideAndSampleKernel
{
    public static void Run(IlgpuDevice device, GuideBatch batch) => throw new NotSupportedException();
}
