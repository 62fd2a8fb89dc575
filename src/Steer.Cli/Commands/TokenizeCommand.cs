using System.CommandLine;
using Steer.Cli.Flags;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Runtime;
using Steer.Runtime.Chat;
using Steer.Runtime.Tokenization;

namespace Steer.Cli.Commands;

/// <summary>`steer tokenize`: text to ids and back.</summary>
internal sealed class TokenizeCommand : SteerCommand
{
    private readonly TextFlags _texts = new();
    private readonly TokenizeFlags _flags;
    private readonly ChatFlags _chat;
    private readonly OutputFlags _output;

    public TokenizeCommand(Terminal terminal)
        : base("tokenize", "Turns text into token ids and back.", terminal)
    {
        Arguments.Add(_texts.Argument);
        Add(_texts);
        _flags = Add(new TokenizeFlags());
        _chat = Add(new ChatFlags("A text is", branches: false));
        _output = Add(new OutputFlags("One object per line: ids, decoded; with --chat also rendered.", quiet: false));
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer tokenize \"The stars move.\"", "Ids, and the pieces of text that they stand for."),
        ("steer tokenize --tokenizer DIR --special --json texts.jsonl", "A file's texts with the special tokens of a model."),
        ("steer tokenize --ids 33,44,55", "Ids to text."),
        ("steer tokenize --tokenizer DIR --chat \"Name a star.\"", "What a chat model reads when a user says this."),
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
        var chat = _chat.Resolve(parsed);
        if (chat is not null && (special || given is not null))
            throw new SteerException("--special or --ids is given beside --chat, where the template writes all of it: leave one of them out.");
        string source = _flags.Path(parsed) ?? EmbeddedWeights.BaseOr("--tokenizer PATH");
        var tokenizer = Tokenizer.Load(source);
        var template = chat is null ? null : ChatTemplate.Find(source)
            ?? throw new SteerException($"{source}: has no chat template (chat_template.jinja, or one in tokenizer_config.json or in a GGUF file).");
        if (given is not null && given.Any(id => id >= tokenizer.VocabSize))
        {
            throw new SteerException(
                $"--ids holds {given.Max()}, and the tokenizer's ids go from 0 to {tokenizer.VocabSize - 1}. Give ids of this tokenizer.");
        }

        string? path = _output.File(parsed);
        using var stream = path is null ? ResultStream.ToStandardOutput(Terminal) : ResultStream.ToFile(path);
        using var lines = new JsonLines(stream);
        string? Rendered(string text) => template?.Render(chat!.Ask(text), variables: chat.Variables);
        foreach (var (text, rendered) in given is null ? texts.Select(t => (t.Text, Rendered(t.Text))) : [("", null)])
        {
            stop.ThrowIfCancellationRequested();
            int[] ids = given ?? tokenizer.Encode(rendered ?? text, addSpecialTokens: special);

            // What was added around a text is left out again, so that the text comes back.
            string decoded = tokenizer.Decode(ids, skipSpecialTokens: special);
            if (_output.Json(parsed))
            {
                lines.Write(json =>
                {
                    if (rendered is not null)
                        json.WriteString("rendered", rendered);
                    json.WriteIds("ids", ids);
                    json.WriteString("decoded", decoded);
                });
            }
            else
            {
                string pieces = string.Join(' ', ids.Select(id => tokenizer.TokenOf(id) ?? "?"));
                string before = rendered is null ? "" : $"rendered {rendered}\n";
                stream.Write(Terminal.Utf8.GetBytes(
                    $"{before}ids      {string.Join(',', ids)}\ntokens   {ids.Length}\npieces   {pieces}\ndecoded  {decoded}\n"));
            }
        }

        return ExitCode.Ok;
    }
}
