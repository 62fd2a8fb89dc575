using System.CommandLine;

namespace Steer.Cli.Flags;

/// <summary>Which tokenizer, and which way.</summary>
internal sealed class TokenizeFlags : FlagGroup
{
    private readonly Option<string?> _tokenizer;
    private readonly Option<bool> _special;
    private readonly Option<int[]?> _ids;

    public TokenizeFlags()
        : base("Tokenizer")
    {
        _tokenizer = Add(Flag.Path(
            "--tokenizer", "PATH",
            "Tokenizer folder or file: tokenizer.json, tokenizer.model, vocab.json with merges.txt, a .gguf file, or a llama2.c .bin. "
            + "Default: the one that comes with the program."));
        _special = Add(Flag.Switch("--special", "Adds the special tokens that go around a text; decoded leaves special tokens out."));
        _ids = Add(Flag.Ids("--ids", "Decodes these instead of text."));
    }

    public string? Path(ParseResult parsed) => parsed.GetValue(_tokenizer);

    public bool Special(ParseResult parsed) => parsed.GetValue(_special);

    public int[]? Ids(ParseResult parsed) => parsed.Given(_ids);
}
