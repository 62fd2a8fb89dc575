namespace Steer.Cli.Output;

/// <summary>How figures are written to standard output.</summary>
internal enum ReportFormat
{
    Table,
    Json,
    Csv,
    Markdown,
    Html,
}
