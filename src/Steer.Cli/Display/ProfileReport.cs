using System.Globalization;
using System.Text;
using System.Text.Json;
using Steer.Cli.Runs;
using Steer.Kernels;
using Steer.Runtime;

namespace Steer.Cli.Display;

/// <summary>Where the time of a run's steps went, as a chart and a table, or as JSON.</summary>
internal static class ProfileReport
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyz";

    // Kernels below it are added up in one line.
    private const double LeastShare = 0.005;
    private const int WideColumns = 80;

    /// <summary>Steps of one kind.</summary>
    /// <param name="title">Which run.</param>
    /// <param name="roofline">Its kernels.</param>
    /// <param name="window">Columns of the window; 0 for any number.</param>
    public static string Text(string title, Roofline roofline, int window)
    {
        var profile = roofline.Profile;
        int shown = Math.Min(Letters.Length, Math.Max(1, roofline.Rows.Count(r => r.Share >= LeastShare)));
        bool narrow = window is > 0 and < WideColumns;
        var columns = narrow
            ? new Columns(["kernel", "share", "of its\nlimit"], [24, 7, 9], 0)
            : new Columns(
                ["kernel", "calls\na step", "us\na step", "share", "GB/s", "GFLOP/s", "of its\nlimit", "limit"], [22, 7, 11, 7, 6, 9, 7, 11], 0);
        var page = new StringBuilder();
        double milliseconds = 1e3 * profile.Seconds / profile.Steps, rows = (double)profile.Rows / profile.Steps;
        page.Append(Format($"\n{title}\n{profile.Steps:n0} steps of {milliseconds:0.00} ms, {rows:0.#} rows\n"));
        page.Append(Format($"{roofline.ProductShare:0%} in products with weights\n\n"));
        page.Append(RooflineChart.Draw(roofline, Letters[..shown], window)).Append('\n').Append(columns.Head());
        for (int i = 0; i < shown; i++)
        {
            var row = roofline.Rows[i];
            string name = $"{Letters[i]} {row.Timing.Id}", limit = row.Bound == Bound.None ? "" : Format($"{row.OfLimit:0%}");
            page.Append(columns.Row(narrow
                ? [name, Format($"{row.Share:0.0%}"), limit]
                :
                [
                    name, Format($"{(double)row.Timing.Calls / profile.Steps:0.#}"), Format($"{1e6 * row.Timing.Seconds / profile.Steps:n0}"),
                    Format($"{row.Share:0.0%}"), Format($"{1e-9 * row.BytesPerSecond:0.0}"), Format($"{1e-9 * row.OperationsPerSecond:0.0}"), limit,
                    Name(row.Bound),
                ]));
        }

        AddRest("  other kernels", roofline.Rows.Skip(shown).Sum(r => r.Share));
        AddRest("  outside kernels", roofline.OutsideShare);
        if (double.IsFinite(roofline.PeakRate))
        {
            page.Append(Format($"limits: {1e-9 * roofline.PeakRate:0} GFLOP/s in products,\n"));
            page.Append(Format($"{1e-9 * roofline.Float32Rate:0} in float32; {1e-9 * roofline.StoredRate:0.0} GB/s\n"));
        }

        return page.ToString();

        void AddRest(string name, double share)
        {
            string us = Format($"{1e6 * share * profile.Seconds / profile.Steps:n0}"), text = Format($"{share:0.0%}");
            if (share > 0)
                page.Append(columns.Row(narrow ? [name, text, ""] : [name, "", us, text, "", "", "", ""]));
        }
    }

    /// <summary>A member "prefill" or "decode".</summary>
    public static void Write(Utf8JsonWriter json, Roofline roofline)
    {
        var profile = roofline.Profile;
        json.WriteStartObject(profile.IsPrefill ? "prefill" : "decode");
        json.WriteNumber("steps", profile.Steps);
        json.WriteNumber("rows", profile.Rows);
        json.WriteNumber("seconds", profile.Seconds);
        json.WriteFinite("limit_bytes_per_second", roofline.StoredRate);
        json.WriteFinite("limit_operations_per_second", roofline.PeakRate);
        json.WriteFinite("limit_float32_operations_per_second", roofline.Float32Rate);
        json.WriteFinite("outside_kernels_share", roofline.OutsideShare);
        json.WriteStartArray("kernels");
        foreach (var row in roofline.Rows)
        {
            var (id, calls, seconds, cost) = row.Timing;
            json.WriteStartObject();
            json.WriteString("kernel", id.Kernel);
            if (id.N > 0)
            {
                json.WriteNumber("n", id.N);
                json.WriteNumber("k", id.K);
                json.WriteString("weights", id.Format.Type.Name());
            }

            json.WriteNumber("calls", calls);
            json.WriteNumber("seconds", seconds);
            json.WriteFinite("share", row.Share);
            json.WriteNumber("operations", cost.Operations);
            json.WriteNumber("stored_bytes", cost.StoredBytes);
            json.WriteNumber("passed_bytes", cost.PassedBytes);
            json.WriteFinite("limit_seconds", row.LimitSeconds);
            json.WriteString("limit", Name(row.Bound));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string Name(Bound bound) => bound == Bound.None ? "" : bound.ToString().ToLowerInvariant();

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
