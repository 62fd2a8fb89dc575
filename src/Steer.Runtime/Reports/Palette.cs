using System.Text;
using OxyPlot;

namespace Steer.Runtime.Reports;

/// <summary>
/// Colours of a report, one set for light and one for dark. Figures are drawn in stand-ins, a colour of its own for each role, which become CSS
/// variables in the SVG, so that one drawing serves both.
/// </summary>
internal static class Palette
{
    private static readonly (OxyColor Stand, string Name, string Light, string Dark)[] Roles =
    [
        (OxyColor.FromRgb(254, 1, 0), "page", "#ffffff", "#0d1117"),
        (OxyColor.FromRgb(254, 1, 1), "ink", "#1f2328", "#e6edf3"),
        (OxyColor.FromRgb(254, 1, 2), "muted", "#59636e", "#9198a1"),
        (OxyColor.FromRgb(254, 1, 3), "line", "#d1d9e0", "#30363d"),
        (OxyColor.FromRgb(254, 1, 4), "first", "#0969da", "#58a6ff"),
        (OxyColor.FromRgb(254, 1, 5), "second", "#bc4c00", "#f0883e"),
        (OxyColor.FromRgb(254, 1, 6), "third", "#1a7f37", "#3fb950"),
        (OxyColor.FromRgb(254, 1, 7), "fourth", "#8250df", "#bc8cff"),
    ];

    /// <summary>Text.</summary>
    public static OxyColor Ink => Roles[1].Stand;

    /// <summary>Text and ticks of less weight.</summary>
    public static OxyColor Muted => Roles[2].Stand;

    /// <summary>Grid lines and borders.</summary>
    public static OxyColor Line => Roles[3].Stand;

    /// <summary>Colours of series, told apart in both themes.</summary>
    public static OxyColor Series(int index) => Roles[4 + (index % 4)].Stand;

    /// <summary>The CSS variables, for both themes.</summary>
    public static string Css()
    {
        var css = new StringBuilder(":root{color-scheme:light dark;");
        foreach (var role in Roles)
            css.Append($"--{role.Name}:{role.Light};");
        css.Append("}@media(prefers-color-scheme:dark){:root{");
        foreach (var role in Roles)
            css.Append($"--{role.Name}:{role.Dark};");
        return css.Append("}}").ToString();
    }

    /// <summary>Puts CSS variables where stand-ins stand.</summary>
    public static string ToVariables(string svg)
    {
        foreach (var (stand, name, _, _) in Roles)
            svg = svg.Replace($"rgb({stand.R},{stand.G},{stand.B})", $"var(--{name})", StringComparison.Ordinal);
        return svg;
    }
}
