using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>Spells tokens of GPT-2's byte alphabet as bytes, and these as text. Its output is one token.</summary>
internal sealed record ByteLevelDecoder : DecoderSpec
{
    /// <inheritdoc/>
    public override DecoderStep Create(DecoderStep next) => new Step(next);

    private sealed class Step(DecoderStep next) : WholeTokenStep(next)
    {
        // Holds the bytes of an unfinished character; writes U+FFFD for each longest part of one that can not go on.
        private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();
        private byte[] _bytes = [];
        private char[] _chars = [];

        protected override void PushToken(ReadOnlySpan<char> token)
        {
            var most = Encoding.UTF8.GetMaxByteCount(token.Length);
            if (_bytes.Length < most)
                _bytes = new byte[most];
            // A token with any character outside the alphabet is text.
            if (!TrySpell(token, _bytes, out var count))
                count = Encoding.UTF8.GetBytes(token, _bytes);
            Write(_bytes.AsSpan(0, count), flush: false);
        }

        public override void Flush()
        {
            Write([], flush: true);
            Next.Push("", endOfToken: true);
            base.Flush();
        }

        private static bool TrySpell(ReadOnlySpan<char> token, Span<byte> bytes, out int count)
        {
            for (count = 0; count < token.Length; count++)
            {
                if (ByteAlphabet.ByteOf(token[count]) is not (>= 0 and var value))
                    return false;
                bytes[count] = (byte)value;
            }

            return true;
        }

        private void Write(ReadOnlySpan<byte> bytes, bool flush)
        {
            // Three bytes held from before may become as many characters.
            if (_chars.Length < bytes.Length + 3)
                _chars = new char[bytes.Length + 3];
            Next.Push(_chars.AsSpan(0, _utf8.GetChars(bytes, _chars, flush)), endOfToken: false);
        }
    }
}

/// <summary>
/// Joins runs of the tokens "&lt;0x00&gt;" to "&lt;0xFF&gt;" to text. A run that is not valid UTF-8 as a whole gives U+FFFD for each byte, so that a
/// run is held back until it ends.
/// </summary>
internal sealed record ByteFallbackDecoder : DecoderSpec
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <inheritdoc/>
    public override DecoderStep Create(DecoderStep next) => new Step(next);

    private sealed class Step(DecoderStep next) : WholeTokenStep(next)
    {
        private readonly List<byte> _run = [];

        protected override void PushToken(ReadOnlySpan<char> token)
        {
            if (ByteTokens.ByteOf(token) is >= 0 and var value)
            {
                _run.Add((byte)value);
                return;
            }

            EndRun();
            Next.Push(token, endOfToken: true);
        }

        public override void Flush()
        {
            EndRun();
            base.Flush();
        }

        private void EndRun()
        {
            if (_run.Count == 0)
                return;
            try
            {
                Next.Push(Strict.GetString([.. _run]), endOfToken: true);
            }
            catch (DecoderFallbackException)
            {
                for (var i = 0; i < _run.Count; i++)
                    Next.Push("\uFFFD", endOfToken: true);
            }

            _run.Clear();
        }
    }
}

/// <summary>Makes one token of all.</summary>
internal sealed record FuseDecoder : DecoderSpec
{
    /// <inheritdoc/>
    public override DecoderStep Create(DecoderStep next) => new Step(next);

    private sealed class Step(DecoderStep next) : DecoderStep(next)
    {
        public override void Push(ReadOnlySpan<char> text, bool endOfToken) => Next.Push(text, endOfToken: false);

        public override void Flush()
        {
            Next.Push("", endOfToken: true);
            base.Flush();
        }
    }
}

/// <summary>Writes one text for another in each token.</summary>
internal sealed record ReplaceDecoder(SplitPattern Pattern, string Content) : DecoderSpec
{
    /// <inheritdoc/>
    public override DecoderStep Create(DecoderStep next) => new Step(new ReplaceNormalizer(Pattern, Content), next);

    private sealed class Step(ReplaceNormalizer replace, DecoderStep next) : WholeTokenStep(next)
    {
        protected override void PushToken(ReadOnlySpan<char> token) => Next.Push(replace.Apply(token.ToString()), endOfToken: true);
    }
}

/// <summary>Removes up to so many of a character at the ends of each token.</summary>
internal sealed record StripDecoder(char Content, int Start, int Stop) : DecoderSpec
{
    /// <inheritdoc/>
    public override DecoderStep Create(DecoderStep next) => new Step(this, next);

    private sealed class Step(StripDecoder spec, DecoderStep next) : DecoderStep(next)
    {
        private int _toStrip = spec.Start;
        private int _held; // characters at the end that go if the token ends with them

        public override void Push(ReadOnlySpan<char> text, bool endOfToken)
        {
            while (_toStrip > 0 && !text.IsEmpty)
            {
                _toStrip = text[0] == spec.Content ? _toStrip - 1 : 0;
                if (text[0] == spec.Content)
                    text = text[1..];
            }

            var kept = text.TrimEnd(spec.Content);
            if (!kept.IsEmpty)
                Release(_held);
            Next.Push(kept, endOfToken: false);
            _held = (kept.IsEmpty ? _held : 0) + text.Length - kept.Length;
            Release(_held - spec.Stop);
            if (endOfToken)
            {
                Next.Push("", endOfToken: true);
                (_toStrip, _held) = (spec.Start, 0);
            }
        }

        private void Release(int count)
        {
            if (count <= 0)
                return;
            Next.Push(new string(spec.Content, count), endOfToken: false);
            _held -= count;
        }
    }
}

/// <summary>Writes spaces for SentencePiece's mark; in the first token, where a mark stands for no space, nothing.</summary>
internal sealed record MetaspaceDecoder(char Mark, bool FirstIsPrefix) : DecoderSpec
{
    /// <inheritdoc/>
    public override DecoderStep Create(DecoderStep next) => new Step(this, next);

    private sealed class Step(MetaspaceDecoder spec, DecoderStep next) : DecoderStep(next)
    {
        private bool _first = spec.FirstIsPrefix;

        public override void Push(ReadOnlySpan<char> text, bool endOfToken)
        {
            var mark = spec.Mark.ToString();
            Next.Push(text.ToString().Replace(mark, _first ? "" : " ", StringComparison.Ordinal), endOfToken);
            if (endOfToken)
                _first = false;
        }
    }
}

/// <summary>Joins tokens by spaces: what there is without a decoder.</summary>
internal sealed record SpaceJoinDecoder : DecoderSpec
{
    /// <inheritdoc/>
    public override DecoderStep Create(DecoderStep next) => new Step(next);

    private sealed class Step(DecoderStep next) : DecoderStep(next)
    {
        private bool _atStart = true;
        private bool _betweenTokens = true;

        public override void Push(ReadOnlySpan<char> text, bool endOfToken)
        {
            if (_betweenTokens && !_atStart)
                Next.Push(" ", endOfToken: false);
            Next.Push(text, endOfToken);
            (_atStart, _betweenTokens) = (false, endOfToken);
        }
    }
}
