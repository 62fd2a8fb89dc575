using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Cli.Runs;

/// <summary>A random base and, where it has a rank, a random adapter in a temporary folder, for measurements; gone when disposed.</summary>
internal sealed class SyntheticPair : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("steer-bench-");

    public SyntheticPair(SyntheticShape shape, int rank)
    {
        try
        {
            SyntheticModel.Write(Base, shape, DType.BF16);
            if (rank > 0)
                SyntheticModel.WriteAdapter(Expert, shape, rank);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Base => Path.Combine(_folder.FullName, "base");

    public string Expert => Path.Combine(_folder.FullName, "expert");

    public void Dispose() => _folder.Delete(recursive: true);
}
