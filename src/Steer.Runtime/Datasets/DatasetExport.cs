using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Steer.Runtime.Chat;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Reports;

namespace Steer.Runtime.Datasets;

/// <summary>Layouts of exported examples.</summary>
public enum ExportFormat
{
    /// <summary>The lines of the job.</summary>
    Jsonl,

    /// <summary>Comma-separated values (RFC 4180): text, fields and figures.</summary>
    Csv,

    /// <summary>Parquet with the columns of <see cref="Csv"/>.</summary>
    Parquet,

    /// <summary>JSONL with the prompt and the text as messages of a user and an assistant.</summary>
    Chat,

    /// <summary>JSONL with instruction, input and output.</summary>
    Alpaca,
}

/// <summary>What is exported, and where to.</summary>
public sealed record ExportOptions
{
    /// <summary>The licence of a card that states none.</summary>
    public const string UnknownLicense = "unknown";

    /// <summary>Made where it is missing; files of the same names are replaced.</summary>
    public required string Folder { get; init; }

    /// <summary>The layout.</summary>
    public ExportFormat Format { get; init; }

    /// <summary>Share of the examples in the test file, in [0, 1).</summary>
    public double TestShare { get; init; }

    /// <summary>Identifier of the licence that the card states, such as cc-by-4.0.</summary>
    public string License { get; init; } = UnknownLicense;

    /// <summary>As they are given on a command line.</summary>
    internal string Flags()
    {
        string share = TestShare > 0 ? string.Create(CultureInfo.InvariantCulture, $" --test-share {TestShare}") : "";
        return $"--format {Format.ToString().ToLowerInvariant()}{share}{(License == UnknownLicense ? "" : $" --license {License}")}";
    }
}

/// <summary>What an export wrote, and what it found.</summary>
/// <param name="Train">Examples to train with.</param>
/// <param name="Test">Examples to test with.</param>
/// <param name="Others">Files of earlier exports in other layouts, which stay.</param>
public sealed record ExportResult(int Train, int Test, IReadOnlyList<string> Others);

/// <summary>Writes the examples of a job in layouts that others read, with a dataset card.</summary>
public static class DatasetExport
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes train.EXT, test.EXT where there is a share for it, and README.md.</summary>
    /// <param name="job">Folder of the job.</param>
    /// <param name="options">What to write.</param>
    /// <param name="cancellationToken">Ends the export.</param>
    /// <exception cref="SteerException">The folder holds no job, or no examples; a test file of an earlier export would stay; or a file cannot be
    /// written.</exception>
    public static async Task<ExportResult> RunAsync(string job, ExportOptions options, CancellationToken cancellationToken = default)
    {
        if (!(options.TestShare is >= 0 and < 1))
        {
            throw new SteerException(string.Create(
                CultureInfo.InvariantCulture, $"test-share is {options.TestShare}: give a number of at least 0 and below 1."));
        }

        if (options.License.Length == 0 || !options.License.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '+'))
            throw new SteerException($"license is '{options.License}': give an identifier such as cc-by-4.0.");
        if (FullPath(job) == FullPath(options.Folder))
            throw new SteerException($"{options.Folder}: is the folder of the job. Give another one for the export.");
        SteerException.ThrowIfFile(options.Folder);
        try
        {
            var manifest = DatasetManifest.Read(Path.Combine(job, DatasetFolder.ManifestName));
            var config = DatasetManifest.Config(manifest, job);
            var rows = ExportRow.ReadAll(Path.Combine(job, DatasetFolder.ExamplesName));
            if (rows.Count == 0)
            {
                throw new SteerException(
                    $"{Path.Combine(job, DatasetFolder.ExamplesName)}: holds no examples. Go on with the job, or give the folder of another.");
            }

            string[] others = Others(options);
            if (options.TestShare == 0 && Array.Find(others, f => Path.GetFileName(f).StartsWith("test.", StringComparison.Ordinal)) is { } stale)
            {
                throw new SteerException(
                    $"{stale}: is of an earlier export, and {Path.GetFileName(PathOf("train", options))} would hold its examples too. " +
                    "Remove it, or give --test-share or another folder.");
            }

            var columns = new ExportColumns(rows, labelled: config.Labels.Count > 0);
            var parts = rows.ToLookup(r => IsTest(r.Text, options.TestShare));
            Directory.CreateDirectory(options.Folder);
            foreach (bool test in new[] { false, true })
            {
                if (!test || options.TestShare > 0)
                    await WriteAsync([.. parts[test]], columns, config, options, test ? "test" : "train", cancellationToken).ConfigureAwait(false);
            }

            File.WriteAllText(
                Path.Combine(options.Folder, "README.md"), DatasetCard.Write(job, manifest, options, [.. parts[false]], [.. parts[true]]));
            return new ExportResult(parts[false].Count(), parts[true].Count(), others);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SteerException(
                $"{job}: cannot be exported to {options.Folder} ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}). " +
                "Give the folder of a job, and one that can be written.", e);
        }
    }

    private static string FullPath(string folder) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));

    /// <summary>Files of earlier exports that this one does not replace.</summary>
    private static string[] Others(ExportOptions options) =>
    [
        .. Enum.GetValues<ExportFormat>()
            .SelectMany(format => new[] { "train", "test" }.Select(name => PathOf(name, options with { Format = format }))).Distinct()
            .Except(options.TestShare > 0 ? [PathOf("train", options), PathOf("test", options)] : [PathOf("train", options)]).Where(File.Exists),
    ];

    private static string PathOf(string name, ExportOptions options) => Path.Combine(options.Folder, $"{name}.{Extension(options.Format)}");

    /// <summary>The extension of a layout's files.</summary>
    internal static string Extension(ExportFormat format) => format switch
    {
        ExportFormat.Csv => "csv",
        ExportFormat.Parquet => "parquet",
        _ => "jsonl",
    };

    /// <summary>
    /// By the words alone, so that an example is on the same side in every export, and texts with the same words are never on both.
    /// </summary>
    private static bool IsTest(string text, double share) =>
        XxHash3.HashToUInt64(MemoryMarshal.AsBytes<ulong>(TextWords.Of(text))) * (1.0 / ulong.MaxValue) < share;

    private static async Task WriteAsync(
        IReadOnlyList<ExportRow> rows, ExportColumns columns, DatasetJobConfig config, ExportOptions options, string name,
        CancellationToken cancellationToken)
    {
        // A full disk or an end in the middle must not leave a file that looks whole.
        using var file = new PartialFile(PathOf(name, options));
        if (options.Format == ExportFormat.Parquet)
            await ParquetExport.WriteAsync(file.Stream, rows, columns, cancellationToken).ConfigureAwait(false);
        else
            WriteLines(file.Stream, rows, columns, config, options.Format, cancellationToken);
        file.Finish();
    }

    private static void WriteLines(
        Stream stream, IReadOnlyList<ExportRow> rows, ExportColumns columns, DatasetJobConfig config, ExportFormat format,
        CancellationToken cancellationToken)
    {
        using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true) { NewLine = "\n" };
        if (format == ExportFormat.Csv)
            writer.WriteLine(CsvText.Line(columns.Names));
        foreach (var row in rows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            string prompt = config.LabelOf(row.Id)?.Prompt ?? config.Prompt;
            writer.WriteLine(format switch
            {
                ExportFormat.Csv => CsvText.Line(Cells(row, columns)),
                ExportFormat.Chat => JsonSerializer.Serialize(
                    new { messages = ChatTurn.Ask(prompt, config.System).Append(new("assistant", row.Text)).Select(Message) }, Json),
                ExportFormat.Alpaca => JsonSerializer.Serialize(new { instruction = prompt, input = "", output = row.Text }, Json),
                _ => row.Line,
            });
        }
    }

    private static object Message(ChatTurn turn) => new { role = turn.Role, content = turn.Content };

    /// <summary>An empty cell is a field or a figure that the example lacks.</summary>
    private static string[] Cells(ExportRow row, ExportColumns columns) =>
    [
        Number(row.Id), .. columns.Labelled ? [row.Label ?? ""] : Array.Empty<string>(), row.Text,
        .. columns.Fields.Select(f => row.Fields.GetValueOrDefault(f.Field, "")),
        Number(row.Tokens), row.FinishReason, Number(row.Seed), Number(row.Gamma), Number(row.Eta), Number(row.Perplexity), Number(row.CopiedRun),
    ];

    private static string Number(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture) ?? "";
}
