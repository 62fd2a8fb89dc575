namespace Steer.Kernels.Host;

/// <summary>One guided step for every sequence of a batch, see <see cref="Device.GuideAndSample"/>.</summary>
internal static class GuideAndSampleKernel
{
    public static void Run(ThreadTeam team, GuideBatch batch) => throw new NotSupportedException();
}
