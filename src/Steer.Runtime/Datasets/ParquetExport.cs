using Parquet;
using Parquet.Schema;

namespace Steer.Runtime.Datasets;

/// <summary>Examples as a Parquet file of one row group per 100,000 rows.</summary>
internal static class ParquetExport
{
    private const int GroupRows = 100_000;

    public static async Task WriteAsync(Stream stream, IReadOnlyList<ExportRow> rows, ExportColumns names, CancellationToken cancellationToken)
    {
        var (id, text) = (new DataField<int>("id"), new DataField<string>("text", nullable: false));
        DataField<string>? label = names.Labelled ? new DataField<string>("label", nullable: true) : null;
        DataField<string>[] fields = [.. names.Fields.Select(f => new DataField<string>(f.Column, nullable: true))];
        var (tokens, seed) = (new DataField<int>("tokens"), new DataField<ulong>("seed"));
        var finish = new DataField<string>("finish_reason", nullable: false);
        var (gamma, eta) = (new DataField<float?>("gamma"), new DataField<float>("eta"));
        var (perplexity, copied) = (new DataField<double?>("perplexity"), new DataField<int>("copied_run"));
        var schema = new ParquetSchema([
            id, .. label is null ? Array.Empty<Field>() : [label], text, .. fields, tokens, finish, seed, gamma, eta, perplexity, copied]);
        await using var writer = await ParquetWriter.CreateAsync(schema, stream, cancellationToken: cancellationToken).ConfigureAwait(false);
        foreach (var group in rows.Chunk(GroupRows))
        {
            using var columns = writer.CreateRowGroup();
            Task Numbers<T>(DataField field, Func<ExportRow, T> value)
                where T : struct => columns.WriteAsync<T>(field, group.Select(value).ToArray().AsMemory(), cancellationToken: cancellationToken);
            Task Optional<T>(DataField field, Func<ExportRow, T?> value)
                where T : struct =>
                    columns.WriteAsync<T>(field, (ReadOnlyMemory<T?>)group.Select(value).ToArray(), cancellationToken: cancellationToken);
            Task Texts(DataField field, Func<ExportRow, string?> value) => columns.WriteAsync(field, group.Select(value).ToArray()!);

            await Numbers(id, r => r.Id).ConfigureAwait(false);
            if (label is not null)
                await Texts(label, r => r.Label).ConfigureAwait(false);
            await Texts(text, r => r.Text).ConfigureAwait(false);
            foreach (var (field, (name, _)) in fields.Zip(names.Fields))
                await Texts(field, r => r.Fields.GetValueOrDefault(name)).ConfigureAwait(false);
            await Numbers(tokens, r => r.Tokens).ConfigureAwait(false);
            await Texts(finish, r => r.FinishReason).ConfigureAwait(false);
            await Numbers(seed, r => r.Seed).ConfigureAwait(false);
            await Optional(gamma, r => r.Gamma).ConfigureAwait(false);
            await Numbers(eta, r => r.Eta).ConfigureAwait(false);
            await Optional(perplexity, r => r.Perplexity).ConfigureAwait(false);
            await Numbers(copied, r => r.CopiedRun).ConfigureAwait(false);
        }
    }
}
