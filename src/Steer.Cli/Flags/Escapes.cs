using System.Text;

namespace Steer.Cli.Flags;

/// <summary>Characters that are awkward to type in a shell: \n, \r, \t and \\. Anything else after a backslash stays as it is.</summary>
internal static class Escapes
{
    public static string Read(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
            return text;
        var read = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            char? meant = text[i] == '\\' && i + 1 < text.Length
                ? text[i + 1] switch { 'n' => '\n', 'r' => '\r', 't' => '\t', '\\' => '\\', _ => null }
                : null;
            read.Append(meant ?? text[i]);
            if (meant is not null)
                i++;
        }

        return read.ToString();
    }
}
