namespace Steer.Runtime;

/// <summary>A repository that was cloned without Git LFS holds a few lines of text in place of each large file.</summary>
/// <remarks>Format: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md.</remarks>
internal static class GitLfs
{
    // No pointer has as many bytes.
    private const int MaxPointerBytes = 1024;

    /// <summary>Opens a file to read it from its beginning.</summary>
    /// <param name="path">The file.</param>
    /// <param name="share">What others may do with it meanwhile.</param>
    /// <exception cref="SteerException">It is such a pointer; one line says how to get the file itself.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static FileStream OpenRead(string path, FileShare share = FileShare.Read)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, share);
        try
        {
            // What cannot go back to its beginning, such as a pipe, is no file of a repository.
            if (!stream.CanSeek)
                return stream;
            var bytes = new byte[MaxPointerBytes];
            int length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length < bytes.Length && bytes.AsSpan(0, length).StartsWith("version https://git-lfs.github.com/spec/"u8))
                throw new SteerException($"{path}: is a Git LFS pointer in place of the file itself; run git lfs pull in its folder.");
            stream.Position = 0;
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }
}
