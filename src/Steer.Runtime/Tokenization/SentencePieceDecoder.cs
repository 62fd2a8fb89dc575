using System.Buffers;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Joins SentencePiece's tokens to a text: marks become spaces, the space before the first word goes, byte tokens become characters, a byte that is
/// part of none becomes U+FFFD.
/// </summary>
/// <param name="Mark">What a space is in tokens.</param>
/// <param name="HasBytes">Tokens "&lt;0x00&gt;" to "&lt;0xFF&gt;" are bytes.</param>
/// <param name="StripsPrefix">One mark before the first word goes.</param>
/// <param name="StripsAll">Every mark before the first word goes.</param>
/// <param name="UnknownToken">The unknown token, or null.</param>
/// <param name="UnknownSurface">What is written for it.</param>
/// <param name="Controls">Tokens that are no part of the text: the text begins after them.</param>
internal sealed record SentencePieceDecoder(
    char Mark, bool HasBytes, bool StripsPrefix, bool StripsAll, string? UnknownToken, string UnknownSurface,
    IReadOnlySet<string> Controls) : DecoderSpec
{
    /// <inheritdoc/>
    public override DecoderStep Create(DecoderStep next) => new Step(this, next);

    /// <inheritdoc/>
    public override string ToString() =>
        $"SentencePiece({Mark}, bytes {HasBytes}, strips {StripsPrefix} {StripsAll}, unknown {UnknownToken} {UnknownSurface},"
        + $" controls {string.Join(' ', Controls.Order(StringComparer.Ordinal))})";

    private sealed class Step(SentencePieceDecoder spec, DecoderStep next) : WholeTokenStep(next)
    {
        private readonly byte[] _bytes = new byte[4]; // of a character that is not complete
        private int _byteCount;
        private bool _atStart = spec.StripsPrefix || spec.StripsAll;

        protected override void PushToken(ReadOnlySpan<char> whole)
        {
            var token = whole.ToString();
            if (spec.HasBytes && ByteTokens.ByteOf(token) is >= 0 and var value)
            {
                _atStart = false;
                _bytes[_byteCount++] = (byte)value;
                WriteBytes(isEnd: false);
                return;
            }

            WriteBytes(isEnd: true);
            if (spec.Controls.Contains(token))
            {
                Next.Push(token, endOfToken: true);
                return;
            }

            if (token == spec.UnknownToken)
                token = spec.UnknownSurface;
            else if (_atStart && token.StartsWith(spec.Mark))
                (token, _atStart) = (token[1..], spec.StripsAll);
            if (token.Length > 0)
                _atStart = false;
            Next.Push(token.Replace(spec.Mark, ' '), endOfToken: true);
        }

        public override void Flush()
        {
            WriteBytes(isEnd: true);
            base.Flush();
        }

        private void WriteBytes(bool isEnd)
        {
            while (_byteCount > 0)
            {
                var status = Rune.DecodeFromUtf8(_bytes.AsSpan(0, _byteCount), out var rune, out var consumed);
                if (status == OperationStatus.NeedMoreData && !isEnd)
                    return;
                if (status != OperationStatus.Done)
                    consumed = 1;
                Next.Push(status == OperationStatus.Done ? rune.ToString() : "\uFFFD", endOfToken: true);
                _bytes.AsSpan(consumed, _byteCount - consumed).CopyTo(_bytes);
                _byteCount -= consumed;
            }
        }
    }
}
