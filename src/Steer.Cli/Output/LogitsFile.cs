using Steer.Cli.Runs;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Output;

/// <summary>Raw logits of whole sequences as one tensor [sequences, tokens, vocab] in f32; short rows are padded with zeros.</summary>
internal static class LogitsFile
{
    /// <summary>Computes and writes, a sequence at a time, so that no more than one is held in memory.</summary>
    public static async Task WriteAsync(string path, SteerEngine engine, Variant model, IReadOnlyList<ScoredText> texts, CancellationToken stop)
    {
        int longest = texts.Max(t => t.Sequence.Length);
        SafetensorsWriter? writer = null;
        try
        {
            foreach (var text in texts)
            {
                // A last token is needed to ask for the logits after the last position; which one does not matter.
                int[] ids = text.Sequence;
                var request = new ScoreRequest { PromptIds = ids[..1], CompletionIds = [.. ids[1..], 0], Model = model, KeepLogits = true };
                await foreach (var score in engine.ScoreAsync([request], stop).ConfigureAwait(false))
                {
                    int vocab = score.Logits![0].Length;
                    writer ??= SafetensorsWriter.Create(path, [new TensorDeclaration("logits", DType.F32, texts.Count, longest, vocab)]);
                    foreach (float[] row in score.Logits)
                        writer.Write(row);
                    for (int row = score.Logits.Count; row < longest; row++)
                        writer.Write(new float[vocab]);
                }
            }

            writer?.Finish();
        }
        finally
        {
            writer?.Dispose();
        }
    }
}
