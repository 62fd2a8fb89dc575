using System.Net;
using System.Text;

namespace Steer.Runtime.Reports;

/// <summary>
/// A page that needs nothing but itself: no script, no font, no address. What it is given is text, never markup. It is HTML and well-formed XML at
/// once.
/// </summary>
internal sealed class HtmlPage
{
    private const string Style = """
        body{margin:0 auto;padding:1rem;max-width:76rem;
        background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
        h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.5rem;border-bottom:1px solid var(--line)}
        h3{font-size:1rem;margin:.5rem 0}
        .figures{display:grid;margin-top:1.5rem;gap:1.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}
        .small{grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr))}
        figure{margin:0;min-width:0}figure svg{width:100%;height:auto;display:block}figcaption,.note{color:var(--muted);font-size:.9rem}
        .scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
        th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
        th{font-weight:600;color:var(--muted)}th,td{overflow-wrap:normal}.name{white-space:nowrap}
        .name:first-child,th:first-child{position:sticky;left:0;background:var(--page)}
        td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        .better{color:var(--third);font-weight:600}.worse{color:var(--second);font-weight:600}
        details{margin:.5rem 0}summary{cursor:pointer}
        .pair{display:grid;gap:.25rem 1.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));
        padding:.5rem 0;border-bottom:1px solid var(--line)}
        .pair>div{white-space:pre-wrap}.key{color:var(--muted);font-size:.8rem;display:block}
        .bar{display:inline-block;width:5rem;height:.6rem;background:var(--line);vertical-align:middle}
        .bar>i{display:block;height:100%;background:var(--first)}
        """;

    private readonly StringBuilder _body = new();
    private readonly string _title;

    public HtmlPage(string title)
    {
        _title = title;
        _body.Append("<h1>").Append(Escape(title)).Append("</h1>\n");
    }

    /// <summary>Text as HTML shows it; characters that no page may hold become U+FFFD.</summary>
    public static string Escape(string text) =>
        WebUtility.HtmlEncode(string.Concat(text.EnumerateRunes().Select(r => Forbidden(r.Value) ? "\ufffd" : r.ToString())));

    public void Heading(string text) => _body.Append("<h2>").Append(Escape(text)).Append("</h2>\n");

    public void Paragraph(string text) => _body.Append("<p>").Append(Escape(text)).Append("</p>\n");

    public void Note(string text) => _body.Append("<p class=\"note\">").Append(Escape(text)).Append("</p>\n");

    /// <summary>Figures beside one another, as many as the window has room for.</summary>
    public void Figures(IEnumerable<Figure> figures, bool small = false)
    {
        _body.Append(small ? "<div class=\"figures small\">\n" : "<div class=\"figures\">\n");
        foreach (var figure in figures)
            _body.Append(figure.ToHtml()).Append('\n');
        _body.Append("</div>\n");
    }

    /// <summary>A long table, folded away.</summary>
    public void Table(string summary, IReadOnlyList<string> head, IEnumerable<IReadOnlyList<HtmlCell>> rows)
    {
        _body.Append("<details><summary>").Append(Escape(summary)).Append("</summary>\n");
        Table(head, rows);
        _body.Append("</details>\n");
    }

    /// <summary>A table, which scrolls by itself where the window is narrow.</summary>
    public void Table(IReadOnlyList<string> head, IEnumerable<IReadOnlyList<HtmlCell>> rows)
    {
        bool[]? numbers = null;
        var lines = new StringBuilder();
        foreach (var row in rows)
        {
            numbers ??= [.. row.Select(c => c.IsNumber)];
            lines.Append("<tr>");
            foreach (var cell in row)
                cell.Write(lines);
            lines.Append("</tr>\n");
        }

        _body.Append("<div class=\"scroll\"><table><thead><tr>");
        for (int i = 0; i < head.Count; i++)
            _body.Append(numbers?[i] == true ? "<th class=\"n\">" : "<th>").Append(Escape(head[i])).Append("</th>");
        _body.Append("</tr></thead><tbody>\n").Append(lines).Append("</tbody></table></div>\n");
    }

    /// <summary>Texts with what is nearest to each, folded away.</summary>
    public void Pairs(string summary, string left, string right, IEnumerable<(string Text, string Nearest, string Distance)> pairs, bool open)
    {
        _body.Append(open ? "<details open=\"\"><summary>" : "<details><summary>").Append(Escape(summary)).Append("</summary>\n");
        foreach (var (text, nearest, distance) in pairs)
        {
            _body.Append("<div class=\"pair\"><div dir=\"auto\"><span class=\"key\">").Append(Escape(left)).Append("</span>").Append(Escape(text));
            _body.Append("</div><div dir=\"auto\"><span class=\"key\">").Append(Escape($"{right}{distance}")).Append("</span>")
                .Append(Escape(nearest)).Append("</div></div>\n");
        }

        _body.Append("</details>\n");
    }

    public override string ToString() => $"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
        <title>{Escape(_title)}</title>
        <style>{Palette.Css()}
        {Style}</style>
        </head>
        <body>
        {_body}</body>
        </html>

        """.ReplaceLineEndings("\n");

    private static bool Forbidden(int rune) => rune is < 0x20 and not ('\t' or '\n' or '\r') or (>= 0x7f and < 0xa0) or 0xfffe or 0xffff;
}

/// <summary>A cell of a table.</summary>
/// <param name="Text">What it says.</param>
/// <param name="IsNumber">Stands to the right, digits below digits.</param>
/// <param name="Kind">better, worse, name or nothing.</param>
/// <param name="Bar">Share of a small bar that is filled, 0 to 1; null for no bar.</param>
internal readonly record struct HtmlCell(string Text, bool IsNumber = false, string Kind = "", double? Bar = null)
{
    public void Write(System.Text.StringBuilder to)
    {
        to.Append(IsNumber ? "<td class=\"n " : "<td class=\"").Append(Kind).Append("\">").Append(HtmlPage.Escape(Text));
        if (Bar is { } share)
        {
            to.Append(
                System.Globalization.CultureInfo.InvariantCulture,
                $" <span class=\"bar\"><i style=\"width:{100 * Math.Clamp(share, 0, 1):0.#}%\"></i></span>");
        }

        to.Append("</td>");
    }
}
