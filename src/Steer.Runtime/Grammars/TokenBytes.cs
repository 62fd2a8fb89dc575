using System.Runtime.CompilerServices;
using System.Text;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>What each token of a vocabulary adds to a text that it stands in the middle of, as UTF-8.</summary>
internal sealed class TokenBytes
{
    private static readonly ConditionalWeakTable<Tokenizer, TokenBytes> Made = [];

    private readonly byte[] _bytes;
    private readonly int[] _starts;

    private TokenBytes(Tokenizer tokenizer)
    {
        var bytes = new List<byte>();
        _starts = new int[tokenizer.VocabSize + 1];
        var spell = Speller(tokenizer);
        for (var id = 0; id < tokenizer.VocabSize; id++)
        {
            if (tokenizer.TokenOf(id) is { } token && !tokenizer.SpecialIds.Contains(id))
                bytes.AddRange(spell(id, token));
            _starts[id + 1] = bytes.Count;
        }

        _bytes = [.. bytes];
        Trie = new TokenTrie(this);
    }

    /// <summary>Highest id + 1.</summary>
    public int VocabSize => _starts.Length - 1;

    /// <summary>The bytes of a token; none where it adds no text: a special token, or an id without one.</summary>
    public ReadOnlySpan<byte> this[int token] => (uint)token < (uint)VocabSize ? _bytes.AsSpan(_starts[token].._starts[token + 1]) : [];

    /// <summary>The tokens by their bytes.</summary>
    public TokenTrie Trie { get; }

    /// <summary>The tokens of a tokenizer; made once for each.</summary>
    /// <exception cref="SteerException">Its decoder has steps whose effect on bytes is not known.</exception>
    public static TokenBytes Of(Tokenizer tokenizer) => Made.GetValue(tokenizer, t => new TokenBytes(t));

    private static Func<int, string, byte[]> Speller(Tokenizer tokenizer)
    {
        if (!tokenizer.Decoders.Any(step => step is ByteLevelDecoder))
            return new TextSpeller(tokenizer).Spell;
        if (tokenizer.Decoders.FirstOrDefault(step => step is not (ByteLevelDecoder or FuseDecoder)) is { } other)
            throw new SteerException($"the tokenizer's decoder has {other} beside ByteLevel; grammars are not supported with it");
        return (_, token) => SpellAlphabet(token);
    }

    /// <summary>A token of the byte alphabet; one with any other character is text.</summary>
    private static byte[] SpellAlphabet(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < token.Length; i++)
        {
            if (ByteAlphabet.ByteOf(token[i]) is not (>= 0 and var value))
                return Encoding.UTF8.GetBytes(token);
            bytes[i] = (byte)value;
        }

        return bytes;
    }

    /// <summary>Decodes each token between two others.</summary>
    private sealed class TextSpeller
    {
        private readonly DetokenizerStream _stream;
        private readonly bool _hasBytes;
        private readonly int _neighbour;
        private readonly string _neighbourText = "";

        public TextSpeller(Tokenizer tokenizer)
        {
            _stream = tokenizer.CreateStream(skipSpecialTokens: false);
            _hasBytes = tokenizer.Decoders.Any(step => step is ByteFallbackDecoder or SentencePieceDecoder { HasBytes: true });
            for (var id = 0; id < tokenizer.VocabSize; id++)
            {
                if (tokenizer.TokenOf(id) is not [.., var last] || !char.IsAsciiLetterOrDigit(last) || tokenizer.SpecialIds.Contains(id))
                    continue;
                _stream.Append(id);
                _neighbour = id;
                _neighbourText = _stream.Append(id);
                if (_neighbourText.Length > 0)
                    return;
            }
        }

        public byte[] Spell(int id, string token)
        {
            if (_hasBytes && ByteTokens.ByteOf(token) is >= 0 and var value)
                return [(byte)value];
            var text = _stream.Append(id) + _stream.Append(_neighbour);
            return text.EndsWith(_neighbourText, StringComparison.Ordinal) ? Encoding.UTF8.GetBytes(text[..^_neighbourText.Length]) : [];
        }
    }
}
