using Steer.Runtime.Checkpoints;

namespace Steer.Runtime;

/// <summary>A repository that was cloned without Git LFS holds a few lines of text in place of each large file.</summary>
/// <remarks>Format: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md.</remarks>
internal static class GitLfs
{
    // No pointer has as many bytes.
    private const int MaxPointerBytes = 1024;

    /// <summary>Throws where a file is such a pointer.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bytes">Its bytes, or more than a pointer has of them.</param>
    /// <exception cref="SteerException">One line that says how to get the file itself.</exception>
    public static void Refuse(string path, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < MaxPointerBytes && bytes.StartsWith("version https://git-lfs.github.com/spec/"u8))
            throw new SteerException($"{path}: is a Git LFS pointer in place of the file itself; run git lfs pull in its folder.");
    }

    /// <summary>Throws where a file is such a pointer.</summary>
    /// <exception cref="SteerException">One line that says how to get the file itself.</exception>
    public static void Refuse(MappedFile file) => Refuse(file.Path, file.Bytes(0, (int)Math.Min(file.Length, MaxPointerBytes)));
}
