using System.Text.Json.Nodes;

namespace Steer.Runtime.Datasets;

/// <summary>The folder of a dataset job: accepted and refused examples, a line each.</summary>
internal sealed class DatasetFolder : IDisposable
{
    public const string ManifestName = JobFolder.ManifestName;
    public const string ExamplesName = "examples.jsonl";
    public const string RejectedName = "rejected.jsonl";
    public const string ProgressName = JobFolder.ProgressName;

    private readonly JobFolder _folder;

    private DatasetFolder(JobFolder folder) => _folder = folder;

    public string Path => _folder.Path;

    public string Examples => _folder.In(ExamplesName);

    public string Rejected => _folder.In(RejectedName);

    /// <inheritdoc cref="JobFolder.Open"/>
    public static DatasetFolder Open(string path, ResumeMode resume, JsonObject manifest) =>
        new(JobFolder.Open(path, resume, manifest, RejectedName, ExamplesName));

    /// <inheritdoc cref="JobFolder.OpenLines"/>
    public void OpenLines(long examples, long rejected) => _folder.OpenLines(rejected, examples);

    /// <summary>Gathers a line.</summary>
    public void Append(DatasetExample example, bool tokenIds) =>
        DatasetLine.Write(example, tokenIds, _folder.Lines(example.Rejection is null ? 1 : 0));

    /// <inheritdoc cref="JobFolder.Commit"/>
    public void Commit() => _folder.Commit();

    /// <inheritdoc cref="JobFolder.Replace"/>
    public void Replace(string name, ReadOnlyMemory<byte> content, bool flush) => _folder.Replace(name, content, flush);

    public void Dispose() => _folder.Dispose();
}
