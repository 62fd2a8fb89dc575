using Steer.Kernels.Tests.Reference;

namespace Steer.Kernels.Tests;

/// <summary>
/// <see cref="Device.Advance"/> over several steps of a batch with two forward passes, against the history of each text: texts that end by a stop
/// token, by their most tokens or by an invalid step, bans that are lifted, rows that cross into the next block.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class AdvanceTests(DeviceSet devices)
{
    private const int Steps = 9;
    private const int VocabSize = 8;
    private const int MaxAlternatives = 3;
    private const int MaxBlocks = 4;
    private const int BlockSize = KvCacheShape.BlockSize;

    [Theory]
    [OnEveryDevice]
    public void Every_sequence_moves_as_its_history_says(string name)
    {
        using var work = new Workspace(devices[name]);
        var random = new Random(5);
        Text[] texts = [.. Enumerable.Range(0, 7).Select(i => new Text(i, random))];
        int branches = texts.Sum(t => t.Positions.Length);
        GuideBatch guide = work.Own(new GuideBatch(work.Device, texts.Length, branches, VocabSize, 1, 1, MaxAlternatives, [0]));
        DecodeBatch decode = work.Own(new DecodeBatch(work.Device, guide, Steps, texts.Sum(t => t.Stops.Length)) { Branches = branches });
        // Branch 0 of each text goes through one decoder, the others through another.
        ForwardBatch[] batches = [Batch(work, texts, b => b == 0), Batch(work, texts, b => b > 0)];
        Lay(texts, guide, decode);

        var expectedResults = new List<GuideResult>();
        var expectedLogProbs = new List<float>();
        var expectedAlternatives = new List<TokenLogProb>();
        for (int step = 0; step < Steps; step++)
        {
            GuideResult[] results = [.. texts.Select(_ => new GuideResult
            {
                Token = random.Next(VocabSize), LogProb = random.NextSingle(), Invalid = random.Next(25) == 0 ? 1 : 0,
            })];
            float[] logProbs = [.. Enumerable.Range(0, branches).Select(_ => random.NextSingle())];
            TokenLogProb[] alternatives = [.. Enumerable.Range(0, texts.Length * MaxAlternatives).Select(i => new TokenLogProb { Token = i, LogProb = random.NextSingle() })];
            guide.Results.Upload(results);
            guide.BranchLogProbs.Upload(logProbs);
            guide.Alternatives.Upload(alternatives);
            expectedResults.AddRange(results);
            expectedLogProbs.AddRange(logProbs);
            expectedAlternatives.AddRange(alternatives);

            work.Device.Advance(guide, decode, batches);
            for (int i = 0; i < texts.Length; i++)
                texts[i].History.Draw(results[i].Token, results[i].Invalid != 0);
            Check(texts, guide, decode, step + 1);
            CheckRows(texts, batches[0], b => b == 0);
            CheckRows(texts, batches[1], b => b > 0);
        }

        Assert.True(texts.Count(t => t.History.Finished) is > 1 and < 7, "All texts ended, or none: the case tests too little.");
        Assert.Equal(expectedResults, Read(decode.Results, Steps * texts.Length));
        Assert.Equal(expectedLogProbs, Read(decode.BranchLogProbs, Steps * branches));
        Assert.Equal(expectedAlternatives, Read(decode.Alternatives, Steps * texts.Length * MaxAlternatives));
    }

    private static void Lay(Text[] texts, GuideBatch guide, DecodeBatch decode)
    {
        int branch = 0, stop = 0;
        var rows = new List<GuideRow>();
        var states = new List<DecodeRow>();
        foreach (Text text in texts)
        {
            rows.Add(new GuideRow
            {
                BranchStart = branch, BranchCount = text.Positions.Length, Step = text.FirstStep, BiasStart = 5, BiasCount = 4, Alternatives = MaxAlternatives,
                PenaltySlot = -1, ForcedToken = -1,
            });
            states.Add(new DecodeRow
            {
                MaxTokens = text.MaxTokens, MinTokens = text.MinTokens, FreeBiasCount = 1, StopStart = stop, StopCount = text.Stops.Length,
            });
            branch += text.Positions.Length;
            stop += text.Stops.Length;
        }

        guide.Sequences = texts.Length;
        guide.Rows.Upload([.. rows]);
        decode.Rows.Upload([.. states]);
        decode.StopIds.Upload([.. texts.SelectMany(t => t.Stops)]);
    }

    /// <summary>One row for each branch, contexts in reverse order of the texts so that no index equals another by chance.</summary>
    private static ForwardBatch Batch(Workspace work, Text[] texts, Func<int, bool> branches)
    {
        var rows = Rows(texts, branches);
        ForwardBatch batch = work.Own(new ForwardBatch(work.Device, rows.Count, rows.Count, MaxBlocks) { Rows = rows.Count, Contexts = rows.Count });
        batch.TokenIds.Upload([.. rows.Select(_ => Text.FirstToken)]);
        batch.Positions.Upload([.. rows.Select(r => r.Text.Positions[r.Branch])]);
        batch.SlotMapping.Upload([.. rows.Select(r => r.Text.Slot(r.Branch, 0))]);
        batch.RowContext.Upload([.. Enumerable.Range(0, rows.Count)]);
        batch.BlockTables.Upload([.. rows.SelectMany(r => r.Text.Blocks(r.Branch))]);
        batch.RowSequence.Upload([.. rows.Select(r => r.Text.Index)]);
        return batch;
    }

    private static List<(Text Text, int Branch)> Rows(Text[] texts, Func<int, bool> branches) =>
        [.. texts.Reverse().SelectMany(t => Enumerable.Range(0, t.Positions.Length).Where(branches).Select(b => (t, b)))];

    private static void Check(Text[] texts, GuideBatch guide, DecodeBatch decode, int steps)
    {
        GuideRow[] rows = Read(guide.Rows, texts.Length);
        DecodeRow[] states = Read(decode.Rows, texts.Length);
        for (int i = 0; i < texts.Length; i++)
        {
            AdvanceReference history = texts[i].History;
            Assert.Equal((history.Finished ? 1 : 0, steps), (states[i].Finished, states[i].Steps));
            Assert.Equal((history.Step, history.Biases), (rows[i].Step, rows[i].BiasCount));
        }
    }

    private static void CheckRows(Text[] texts, ForwardBatch batch, Func<int, bool> branches)
    {
        var rows = Rows(texts, branches);
        int[] tokens = Read(batch.TokenIds, rows.Count), positions = Read(batch.Positions, rows.Count), slots = Read(batch.SlotMapping, rows.Count);
        for (int row = 0; row < rows.Count; row++)
        {
            var (text, branch) = rows[row];
            Assert.Equal(text.History.NextToken ?? Text.FirstToken, tokens[row]);
            Assert.Equal(text.Positions[branch] + text.History.Moves, positions[row]);
            Assert.Equal(text.Slot(branch, text.History.Moves), slots[row]);
        }
    }

    private static T[] Read<T>(DeviceBuffer<T> buffer, int count)
        where T : unmanaged
    {
        var data = new T[count];
        buffer.Download(data);
        return data;
    }

    /// <summary>A text with one to three branches at positions of their own.</summary>
    private sealed class Text
    {
        public const int FirstToken = 99;

        public Text(int index, Random random)
        {
            Index = index;
            FirstStep = random.Next(3);
            MaxTokens = FirstStep + 4 + random.Next(10);
            MinTokens = random.Next(6);
            Stops = index % 2 == 0 ? [] : [random.Next(VocabSize), random.Next(VocabSize)];
            Positions = [.. Enumerable.Range(0, 1 + index % 3).Select(_ => random.Next((MaxBlocks * BlockSize) - Steps))];
            History = new AdvanceReference(FirstStep, MaxTokens, MinTokens, Stops, freeBiases: 1, allBiases: 4);
        }

        public int Index { get; }

        public int FirstStep { get; }

        public int MaxTokens { get; }

        public int MinTokens { get; }

        public int[] Stops { get; }

        public int[] Positions { get; }

        public AdvanceReference History { get; }

        public int[] Blocks(int branch) => [.. Enumerable.Range(0, MaxBlocks).Select(b => 7 + (31 * Index) + (11 * branch) + (2 * b))];

        public int Slot(int branch, int moves)
        {
            int position = Positions[branch] + moves;
            return (Blocks(branch)[position / BlockSize] * BlockSize) + (position % BlockSize);
        }
    }
}
