using System.Text.Json;
using Steer.Runtime;

namespace Steer.Cli.Input;

/// <summary>Token ids of several sequences: a JSON array of arrays.</summary>
internal static class IdsFile
{
    /// <exception cref="SteerException">The file cannot be read or holds something else.</exception>
    public static IReadOnlyList<int[]> Read(string path)
    {
        try
        {
            using var stream = GitLfs.OpenRead(path);
            int[][]? rows = JsonSerializer.Deserialize<int[][]>(stream);
            if (rows is null || rows.Length == 0)
                throw new SteerException($"{path}: holds no sequences. Give a JSON array of arrays, such as [[1, 2, 3], [4, 5]].");
            int empty = Array.FindIndex(rows, r => r is null || r.Length == 0);
            return empty < 0 ? rows : throw new SteerException($"{path}: sequence {empty + 1} is empty. Give at least one id in each.");
        }
        catch (JsonException e)
        {
            throw new SteerException($"{path}: is no JSON array of arrays of ids, such as [[1, 2, 3], [4, 5]]. Mend it.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(path, e, "Give the path of a JSON file.");
        }
    }
}
