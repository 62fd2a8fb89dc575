using System.Text;
using System.Text.Encodings.Web;

namespace Steer.Cli.Output;

/// <summary>
/// Escapes only what JSON requires: quotation marks, backslashes and control characters. The framework's relaxed encoder also escapes
/// what lies beyond the basic plane, and results should read as they are in any script.
/// </summary>
internal sealed class JsonText : JavaScriptEncoder
{
    public static JsonText Encoder { get; } = new();

    /// <summary>\u001f.</summary>
    public override int MaxOutputCharactersPerInputCharacter => 6;

    public override bool WillEncode(int unicodeScalar) => unicodeScalar is < ' ' or '"' or '\\' or 0x7f;

    public override unsafe int FindFirstCharacterToEncode(char* text, int textLength)
    {
        var span = new ReadOnlySpan<char>(text, textLength);
        for (int i = 0; i < span.Length;)
        {
            // Half a pair has no place in UTF-8; the caller replaces it.
            if (Rune.DecodeFromUtf16(span[i..], out var rune, out int length) != System.Buffers.OperationStatus.Done || WillEncode(rune.Value))
                return i;
            i += length;
        }

        return -1;
    }

    public override unsafe bool TryEncodeUnicodeScalar(int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten)
    {
        string escape = unicodeScalar switch
        {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            < ' ' or 0x7f => $"\\u{unicodeScalar:x4}",
            _ => new Rune(unicodeScalar).ToString(),
        };
        bool fits = escape.AsSpan().TryCopyTo(new Span<char>(buffer, bufferLength));
        numberOfCharactersWritten = fits ? escape.Length : 0;
        return fits;
    }
}
