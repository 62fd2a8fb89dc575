using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using OxyPlot;

namespace Steer.Runtime.Reports;

/// <summary>A drawing with a sentence that says what it shows.</summary>
/// <param name="Name">Short name, also of its file.</param>
/// <param name="Title">Heading.</param>
/// <param name="Sentence">What it shows, from the numbers that are drawn.</param>
/// <param name="Svg">The drawing: an svg element whose colours are the CSS variables of <see cref="Palette"/>.</param>
public sealed partial record Figure(string Name, string Title, string Sentence, string Svg)
{
    private const int FontSize = 13;

    /// <summary>The drawing as a file of its own, which follows the theme of who looks at it.</summary>
    public string ToFile()
    {
        int end = Svg.IndexOf('>', StringComparison.Ordinal);
        return $"{Svg[..end]} xmlns=\"http://www.w3.org/2000/svg\">\n<style>{Palette.Css()}</style>\n<rect width=\"100%\" height=\"100%\" " +
            $"fill=\"var(--page)\"/>{Svg[(end + 1)..]}\n";
    }

    /// <summary>An element of a page.</summary>
    internal string ToHtml() =>
        $"<figure><h3>{HtmlPage.Escape(Title)}</h3>{Svg}<figcaption>{HtmlPage.Escape(Sentence)}</figcaption></figure>";

    /// <summary>Draws a plot.</summary>
    /// <param name="name">Short name.</param>
    /// <param name="title">Heading, which also tells those who cannot see the drawing what it is.</param>
    /// <param name="sentence">What it shows.</param>
    /// <param name="plot">The plot, in colours of <see cref="Palette"/>.</param>
    /// <param name="width">Units; a page scales the drawing, and letters are 13 units high.</param>
    /// <param name="height">Units.</param>
    internal static Figure Draw(string name, string title, string sentence, PlotModel plot, int width = 520, int height = 360)
    {
        plot.Background = OxyColors.Transparent;
        plot.TextColor = Palette.Ink;
        plot.PlotAreaBorderColor = Palette.Line;
        plot.DefaultFontSize = FontSize;
        plot.DefaultFont = "sans-serif";
        plot.Padding = new OxyThickness(4, 8, 12, 4);
        using var exporter = new MemoryStream();
        new SvgExporter { Width = width, Height = height, IsDocument = false, UseVerticalTextAlignmentWorkaround = true }.Export(plot, exporter);
        string svg = Encoding.UTF8.GetString(exporter.ToArray());
        string open = string.Create(
            CultureInfo.InvariantCulture,
            $"<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{WebUtility.HtmlEncode(title)}\" " +
            $"font-family=\"system-ui, sans-serif\">");
        int begin = svg.IndexOf('>', svg.IndexOf("<svg", StringComparison.Ordinal)) + 1;

        // Nothing lies outside the axes, and names of clip paths would be the same in all drawings of a page.
        svg = ClipPaths().Replace(svg[begin..], "");
        return new Figure(
            name, title, sentence, Palette.ToVariables(open + svg).Replace(" font-family=\"sans-serif\"", "", StringComparison.Ordinal));
    }

    [GeneratedRegex("<defs>.*?</defs>\\s*| clip-path=\"[^\"]*\"", RegexOptions.Singleline)]
    private static partial Regex ClipPaths();
}
