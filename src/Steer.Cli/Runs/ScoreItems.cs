using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Engine;
using Steer.Runtime.Tokenization;

namespace Steer.Cli.Runs;

/// <summary>Splits what is scored into context and completion.</summary>
/// <param name="engine">Has the tokenizer.</param>
/// <param name="prompt">Comes before each; null for none.</param>
/// <param name="chat">The prompt is what a user says, and texts answer it; null where they continue it.</param>
/// <param name="completionPrefix">Stands between the prompt and a text.</param>
/// <param name="eos">The end-of-sequence token is scored too.</param>
internal sealed class ScoreItems(SteerEngine engine, Prompt? prompt, Conversation? chat, string completionPrefix, bool eos)
{
    /// <summary>Sequences of ids; without a prompt, the first id of each is its context.</summary>
    /// <exception cref="SteerException">A sequence is too long, or holds ids that the model does not know.</exception>
    public IEnumerable<ScoredText> FromIds(IEnumerable<int[]> rows, string file)
    {
        int[]? context = prompt is null ? null : Encode(prompt);
        return rows.Select(
            (row, i) => Check(new ScoredText($"{file}, sequence {i + 1}", null, context ?? row[..1], context is null ? row[1..] : row)));
    }

    /// <summary>Texts; without a prompt, the token that begins a text is their context, or where there is none, their own first token.</summary>
    /// <exception cref="SteerException">There is no tokenizer or no end-of-sequence token, or a text is too short or too long.</exception>
    public IEnumerable<ScoredText> FromTexts(IEnumerable<GivenText> texts)
    {
        if (eos && engine.EosIds.Count == 0)
            throw new SteerException("The model has no end-of-sequence token: give --no-eos.");
        int[] end = eos ? [engine.EosIds[0]] : [];
        return texts.Select(text => Check(FromText(text.Source, text.Text, end)));
    }

    private Tokenizer Tokenizer => engine.Tokenizer
        ?? throw new SteerException("The base has no tokenizer: give --tokenizer, or token ids with --ids-file.");

    private ScoredText FromText(string source, string text, int[] end)
    {
        if (prompt is not null)
        {
            int[] context = Encode(prompt);
            int[] whole = chat is null ? Tokenizer.Encode(prompt.Text + completionPrefix + text, addSpecialTokens: true) : [];

            // Where the prompt's last token would melt into the text's first, the text begins a token of its own, as it does when it is generated.
            bool splits = prompt.Ids is null && whole.AsSpan().StartsWith(context);
            int[] completion = splits ? whole[context.Length..] : Tokenizer.Encode(completionPrefix + text, addSpecialTokens: false);
            return new ScoredText(source, text, context, [.. completion, .. end]);
        }

        int[] ids = Tokenizer.Encode(text, addSpecialTokens: true);
        bool begins = ids.Length > 0 && ids[0] == engine.BosId;
        int? first = begins ? null : engine.BosId ?? (engine.EosIds.Count > 0 ? engine.EosIds[0] : null);
        int[] sequence = [.. first is { } bos ? [bos] : Array.Empty<int>(), .. ids, .. end];
        return sequence.Length > 1
            ? new ScoredText(source, text, sequence[..1], sequence[1..])
            : throw new SteerException($"{source}: has no token to score. Give a longer one.");
    }

    private ScoredText Check(ScoredText text)
    {
        if (text.Completion.Length == 0 && text.Text is not null)
            throw new SteerException($"{text.Source}: has no token to score. Give a longer one.");
        if (text.Sequence.Length > engine.MaxPositions)
        {
            throw new SteerException(
                $"{text.Source}: has {text.Sequence.Length} tokens with what comes before it, and the model's window is {engine.MaxPositions}. " +
                $"Shorten it{CapacityCheck.OrLongerWindow(engine.MaxPositions, engine.WindowLimit)}.");
        }

        int unknown = Array.Find(text.Sequence, id => (uint)id >= (uint)engine.VocabSize);
        return (uint)unknown < (uint)engine.VocabSize
            ? text
            : throw new SteerException($"{text.Source}: holds token {unknown}, and the model's tokens go from 0 to {engine.VocabSize - 1}. Mend it.");
    }

    private int[] Encode(Prompt given) => given.Ids is { } ids ? [.. ids]
        : chat is null ? Tokenizer.Encode(given.Text!, addSpecialTokens: true)
        : [.. engine.Encode(chat.Ask(given.Text!), variables: chat.Variables)];
}
