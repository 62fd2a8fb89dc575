using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Cli.Runs;

/// <summary>A random base and a random adapter in a temporary folder, for measurements; gone when disposed.</summary>
internal sealed class SyntheticPair : IDisposable
{
    private const int Rank = 16;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("steer-bench-");

    public SyntheticPair(SyntheticShape shape)
    {
        try
        {
            SyntheticModel.Write(Base, shape, DType.BF16);
            SyntheticModel.WriteAdapter(Expert, shape, Rank);
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
