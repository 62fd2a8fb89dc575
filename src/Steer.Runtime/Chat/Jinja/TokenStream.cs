using System.Runtime.CompilerServices;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>The tokens of a template, one after the other.</summary>
internal sealed class TokenStream(IReadOnlyList<Token> tokens)
{
    /// <summary>Deepest nesting of brackets, operators and blocks.</summary>
    private const int MaxDepth = 100;

    private int _at;
    private int _depth;

    public Token Current => tokens[_at];

    public Token Ahead => tokens[Math.Min(_at + 1, tokens.Count - 1)];

    public int Line => Current.Line;

    public Token Next()
    {
        var token = Current;
        if (token.Kind != TokenKind.End)
            _at++;
        return token;
    }

    /// <summary>Takes an operator if it is the next token.</summary>
    public bool Skip(string op)
    {
        bool found = Current.Is(op);
        if (found)
            Next();
        return found;
    }

    /// <summary>Takes a name if it is the next token.</summary>
    public bool SkipName(string name)
    {
        bool found = Current.IsName(name);
        if (found)
            Next();
        return found;
    }

    public void Expect(string op)
    {
        if (!Skip(op))
            throw Unexpected($"'{op}'");
    }

    public void Expect(TokenKind kind, string what) => _ = Current.Kind == kind ? Next() : throw Unexpected(what);

    public string ExpectName(string what) => Current.Kind == TokenKind.Name ? Next().Text : throw Unexpected(what);

    public TemplateFault Unexpected(string wanted) => new($"{Current.Shown} stands where {wanted} is wanted", Line);

    public void Enter()
    {
        if (++_depth > MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new TemplateFault("nests too deep", Line);
    }

    public void Leave() => _depth--;
}
