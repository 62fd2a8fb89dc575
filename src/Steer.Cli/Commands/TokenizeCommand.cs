using System.CommandLine;
using Steer.Cli.Flags;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Runtime;
using Steer.Runtime.Tokenization;

namespace Steer.Cli.Commands;

/// <summary>`steer tokenize`: text to ids and back.</summary>
internal sealed class TokenizeCommand : SteerCommand
{
    private readonly TextFlags _texts = new();
    private readonly TokenizeFlags _flags;
    private readonly OutputFlags _output;

    public TokenizeCommand(Terminal terminal)
        : base("tokenize", "Turns text into token ids and back.", terminal)
    {
        Arguments.Add(_texts.Argument);
        Add(_texts);
        _flags = Add(new TokenizeFlags());
        _output = Add(new OutputFlags("One object per line: ids, decoded.", quiet: false));
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer tokenize \"The stars move.\"", "Ids, and the pieces of text that they stand for."),
        ("steer tokenize --tokenizer DIR --special --json texts.jsonl", "A file's texts with the special tokens of a model."),
        ("steer tokenize --ids 33,44,55", "Ids to text."),
    ];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        int[]? given = _flags.Ids(parsed);
        bool special = _flags.Special(parsed);
        if (given is not null && _texts.AreGiven(parsed))
            throw new SteerException("Both texts and --ids are given: give one of them.");
        var texts = given is null ? await _texts.ReadAsync(parsed, Terminal, stop).ConfigureAwait(false) : [];
        if (given is null && texts.Count == 0)
            throw new SteerException("There is no text: give it as an argument, with --file FILE, or pipe it in.");
        var tokenizer = Tokenizer.Load(_flags.Path(parsed) ?? EmbeddedWeights.BaseOr("--tokenizer PATH"));
        if (given is not null && given.Any(id => id >= tokenizer.VocabSize))
        {
            throw new SteerException(
                $"--ids holds {given.Max()}, and the tokenizer's ids go from 0 to {tokenizer.VocabSize - 1}. Give ids of this tokenizer.");
        }

        string? path = _output.File(parsed);
        using var stream = path is null ? ResultStream.ToStandardOutput(Terminal) : ResultStream.ToFile(path);
        using var lines = new JsonLines(stream);
        foreach (int[] ids in given is null ? texts.Select(text => tokenizer.Encode(text.Text, addSpecialTokens: special)) : [given])
        {
            stop.ThrowIfCancellationRequested();

            // What was added around a text is left out again, so that the text comes back.
            string decoded = tokenizer.Decode(ids, skipSpecialTokens: special);
            if (_output.Json(parsed))
            {
                lines.Write(json =>
                {
                    json.WriteIds("ids", ids);
                    json.WriteString("decoded", decoded);
                });
            }
            else
            {
                string pieces = string.Join(' ', ids.Select(id => tokenizer.TokenOf(id) ?? "?"));
                stream.Write(Terminal.Utf8.GetBytes(
                    $"ids      {string.Join(',', ids)}\ntokens   {ids.Length}\npieces   {pieces}\ndecoded  {decoded}\n"));
            }
        }

        return ExitCode.Ok;
    }
}
