using System.Text.Json;
using Spectre.Console;
using Steer.Cli.Flags;
using Steer.Kernels;
using Steer.Kernels.Host;
using Steer.Runtime;
using Steer.Runtime.Chat;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Models;

namespace Steer.Cli.Display;

/// <summary>What `inspect` tells of one model.</summary>
/// <param name="Role">base, expert ...</param>
/// <param name="Path">As it was given.</param>
/// <param name="Facts">Name as in JSON, and value: a string, a long or a list of strings or whole numbers.</param>
/// <param name="Memory">Parts and their bytes once loaded.</param>
internal sealed record ModelReport(
    string Role, string Path, IReadOnlyList<(string Name, object Value)> Facts, IReadOnlyList<(string Part, long Bytes)> Memory)
{
    /// <summary>Bytes of all parts with each choice of --weights; empty for an adapter.</summary>
    public IReadOnlyList<(string Type, long Bytes)> ByWeights { get; init; } = [];

    /// <summary>Bytes of one token's keys and values with each choice of --kv-cache; empty for an adapter.</summary>
    public IReadOnlyList<(string Type, long Bytes)> KvCacheOfToken { get; init; } = [];

    public static ModelReport Of(string role, Checkpoint checkpoint)
    {
        var c = checkpoint.Config;
        List<(string, object)> facts =
        [
            ("architecture", c.Architecture),
            ("parameters", checkpoint.ParameterCount),
            ("weights", checkpoint.StoredType),
            ("vocab_size", (long)c.VocabSize),
            ("hidden_size", (long)c.HiddenSize),
            ("intermediate_size", (long)c.IntermediateSize),
            ("layers", (long)c.NumLayers),
            ("heads", (long)c.NumHeads),
            ("kv_heads", (long)c.NumKvHeads),
            ("head_dim", (long)c.HeadDim),
            ("window", (long)c.MaxPositions),
        ];
        if (c.ForLength(null).MaxPositions is var length && length < c.MaxPositions)
            facts.Add(("default_max_length", (long)length));
        if (c.NumExperts > 0)
            facts.AddRange([("experts", (long)c.NumExperts), ("experts_per_token", (long)c.ExpertsPerToken)]);
        facts.AddRange([("eos_token_ids", checkpoint.EosIds.Select(id => (long)id).ToArray()), ("chat_template", ChatTemplateOf(checkpoint.Path))]);
        return new ModelReport(role, checkpoint.Path, facts, Parts(checkpoint.Tensors, type: null))
        {
            ByWeights = [.. EngineFlags.WeightTypes.Select(w => (w.Name, Parts(checkpoint.Tensors, w.Type).Sum(p => p.Bytes)))],
            KvCacheOfToken = [.. EngineFlags.KvCacheTypes.Select(k =>
                (k.Name, new KvCacheShape(c.NumLayers, 1, c.NumKvHeads, c.HeadDim, k.Type).BytesPerBlock / KvCacheShape.BlockSize))],
        };
    }

    public static ModelReport Of(string role, Adapter adapter, Checkpoint baseCheckpoint)
    {
        string[] targets = [.. adapter.Modules.Select(m => m[(m.LastIndexOf('.') + 1)..]).Distinct()];
        List<(string, long)> memory = [("low-rank changes", PackedBytes(adapter))];
        var whole = Linears(adapter.Tensors).Except(Linears(baseCheckpoint.Tensors), ReferenceEqualityComparer.Instance).Cast<LinearTensors>()
            .ToList();
        if (whole.Count > 0)
            memory.Add(("whole modules", whole.Sum(l => Bytes(l, type: null))));
        return new ModelReport(
            role,
            adapter.Path,
            [
                ("architecture", "LoRA adapter"),
                ("parameters", adapter.ParameterCount),
                ("ranks", adapter.Ranks.Select(r => (long)r).ToArray()),
                ("modules", (long)adapter.Modules.Count),
                ("targets", targets),
                ("chat_template", ChatTemplateOf(adapter.Path)),
            ],
            memory);
    }

    /// <summary>The file that holds a model's chat template; none, or what is wrong with it.</summary>
    private static string ChatTemplateOf(string path)
    {
        try
        {
            return ChatTemplate.Find(path) is { } template ? System.IO.Path.GetFileName(template.File) : "none";
        }
        catch (SteerException e)
        {
            return e.Message;
        }
    }

    /// <summary>
    /// What the CPU device takes for the low-rank changes; how it holds a matrix depends on its numbers, so they are packed to see.
    /// </summary>
    private static long PackedBytes(Adapter adapter)
    {
        using var device = new HostDevice();
        long bytes = 0;
        foreach (var linear in adapter.Adapted)
        {
            using var packed = device.PackLora(linear.Rows, linear.Parts[0].Weight.Columns, adapter.SegmentsFor(linear)!);
            bytes += packed.Bytes;
        }

        return bytes;
    }

    /// <summary>Draws two columns.</summary>
    public void Draw(IAnsiConsole console)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(2)).AddColumn(new GridColumn().PadRight(0));
        grid.AddRow(new Text(Role, new Style(decoration: Decoration.Bold)), new Text(Path));
        foreach (var (name, value) in Facts)
            grid.AddRow(new Text(name.Replace('_', ' ')), new Text(Words(value)));
        grid.AddRow(new Text("memory"), new Text(ByteSize.Format(Memory.Sum(m => m.Bytes))));
        foreach (var (part, bytes) in Memory)
            grid.AddRow(new Text("  " + part), new Text(ByteSize.Format(bytes)));
        foreach (var (type, bytes) in ByWeights)
            grid.AddRow(new Text("  --weights " + type), new Text(ByteSize.Format(bytes)));
        if (KvCacheOfToken.Count > 0)
            grid.AddRow(new Text("KV cache"), new Text("for each token"));
        foreach (var (type, bytes) in KvCacheOfToken)
            grid.AddRow(new Text("  --kv-cache " + type), new Text(ByteSize.Format(bytes)));
        console.Write(grid);
        console.WriteLine();
    }

    /// <summary>A member named by the role.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject(Role.Replace('-', '_'));
        json.WriteString("path", Path);
        foreach (var (name, value) in Facts)
        {
            json.WritePropertyName(name);
            JsonSerializer.Serialize(json, value);
        }

        json.WriteStartObject("memory_bytes");
        foreach (var (part, bytes) in Memory)
            json.WriteNumber(part.Replace(' ', '_').Replace('-', '_'), bytes);
        json.WriteEndObject();
        Write(json, "memory_bytes_by_weights", ByWeights);
        Write(json, "kv_cache_bytes_per_token", KvCacheOfToken);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, IReadOnlyList<(string Type, long Bytes)> choices)
    {
        if (choices.Count == 0)
            return;
        json.WriteStartObject(name);
        foreach (var (type, bytes) in choices)
            json.WriteNumber(type, bytes);
        json.WriteEndObject();
    }

    private static string Words(object value) => value switch
    {
        long number => Figures.Count(number),
        long[] numbers => string.Join(", ", numbers),
        string[] names => string.Join(", ", names),
        _ => value.ToString()!,
    };

    /// <summary>Matrices in a type, each in its own where it is null; norms and biases are float32 and small.</summary>
    private static IReadOnlyList<(string Part, long Bytes)> Parts(DecoderTensors t, DType? type)
    {
        var parts = new List<(string, long)>
        {
            ("embedding", Bytes(t.Embedding, type) + Bytes(t.PositionEmbedding, type)),
            ("attention", t.Layers.Sum(l => Attention(l).Sum(p => Bytes(p, type)))),
            ("feed-forward", t.Layers.Sum(l => FeedForward(l).Sum(p => Bytes(p, type)))),
        };

        // A head that is tied to the embedding is packed once.
        if (!ReferenceEquals(t.Embedding, t.LmHead))
            parts.Add(("head", Bytes(t.LmHead, type)));
        return parts;
    }

    /// <summary>Every matrix of a model, once for each place that it has.</summary>
    private static IEnumerable<LinearTensors> Linears(DecoderTensors t) =>
        new[] { t.Embedding, t.PositionEmbedding, t.LmHead }.Concat(t.Layers.SelectMany(l => Attention(l).Concat(FeedForward(l))))
            .OfType<LinearTensors>();

    private static IEnumerable<LinearTensors?> Attention(LayerTensors l) => [l.Qkv, l.Output];

    private static IEnumerable<LinearTensors?> FeedForward(LayerTensors l) => [l.Up, l.Down, l.Router, .. l.ExpertUp, .. l.ExpertDown];

    private static long Bytes(LinearTensors? tensors, DType? type) =>
        tensors?.Parts.Sum(p => p.Weight.Rows * (type ?? tensors.DefaultType).RowBytes(p.Weight.Columns)) ?? 0;
}
