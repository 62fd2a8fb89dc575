using System.Text;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Input;

/// <summary>Texts from files and from standard input.</summary>
internal static class TextInput
{
    /// <summary>Stands for standard input where a file is asked for.</summary>
    public const string StandardInput = "-";

    /// <summary>Standard input in errors.</summary>
    public const string StandardInputName = "standard input";

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads standard input to its end: JSON lines where it begins with a brace, else a text on each line.</summary>
    /// <param name="terminal">Has the stream.</param>
    /// <param name="stop">Ends the wait for a person who types.</param>
    /// <param name="fields">Fields of a JSON line that may hold the text.</param>
    /// <exception cref="SteerException">It is not UTF-8, or a JSON line has none of the fields.</exception>
    public static async Task<IReadOnlyList<string>> ReadStandardInputAsync(Terminal terminal, CancellationToken stop, params string[] fields)
    {
        try
        {
            var reader = new StreamReader(terminal.Input, Strict, detectEncodingFromByteOrderMarks: true, bufferSize: -1, leaveOpen: true);

            // A read of a terminal cannot be broken off; it is left behind.
            string text = await Task.Run(reader.ReadToEnd, stop).WaitAsync(stop).ConfigureAwait(false);
            bool json = text.AsSpan().TrimStart() is ['{', ..];
            return TextFile.Read(new StringReader(text), StandardInputName, json ? fields : []);
        }
        catch (DecoderFallbackException e)
        {
            throw new SteerException($"{StandardInputName}: is not UTF-8. Convert it first.", e);
        }
    }

    /// <summary>The whole of a file as one text.</summary>
    /// <exception cref="SteerException">It cannot be read, or is not UTF-8.</exception>
    public static string ReadWhole(string path)
    {
        try
        {
            using var reader = new StreamReader(GitLfs.OpenRead(path), Strict);
            return reader.ReadToEnd();
        }
        catch (DecoderFallbackException e)
        {
            throw new SteerException($"{path}: is not UTF-8. Convert it first.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(path, e, "Give the path of a text file.");
        }
    }
}
