using System.Collections.Concurrent;
using Steer.Kernels;
using Steer.Runtime.Chat;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Guidance;
using Steer.Runtime.Models;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Engine;

/// <summary>A model of an engine: its weights, and the decoder (one for each shape) that runs them.</summary>
internal sealed record LoadedVariant(
    Variant Variant, string Path, int Decoder, DecoderWeights Weights, DecoderConfig Config, long Parameters, bool IsAdapter);

/// <summary>
/// Loads the models of an engine onto a device. Adapters share the base's weights; full checkpoints of the base's shape run in the same batch;
/// other shapes get a batch of their own.
/// </summary>
internal sealed class ModelSet : IDisposable
{
    private readonly List<IDisposable> _files = [];
    private readonly ConcurrentDictionary<Variant, ChatTemplate?> _templates = [];
    private readonly WeightStore _store;
    private readonly EngineOptions _options;

    private ModelSet(WeightStore store, EngineOptions options) => (_store, _options) = (store, options);

    /// <summary>In the order in which rows of a batch are laid: those that share weights are neighbours.</summary>
    public List<LoadedVariant> Variants { get; } = [];

    /// <summary>A config for each decoder.</summary>
    public List<DecoderConfig> Shapes { get; } = [];

    /// <summary>The tokenizer that all variants agree on; null where the base has none.</summary>
    public Tokenizer? Tokenizer { get; private set; }

    /// <summary>Tokens that end a text.</summary>
    public IReadOnlyList<int> EosIds { get; private set; } = [];

    public int? BosId { get; private set; }

    public long WeightBytes => _store.WeightBytes;

    public long AdapterBytes => _store.AdapterBytes;

    public IReadOnlySet<Variant> Loaded => Variants.Select(v => v.Variant).ToHashSet();

    public LoadedVariant this[Variant variant] => Variants.Single(v => v.Variant == variant);

    /// <summary>Whether a model has a token of this id.</summary>
    public bool MayDraw(int id) => Shapes.Exists(s => (uint)id < (uint)s.VocabSize);

    /// <summary>
    /// The chat template of an expert: of the tokenizer that was given, else of the expert's own folder, else of the base's; null where none has one.
    /// Read when it is first asked for, so that a damaged one harms nobody who does not chat.
    /// </summary>
    /// <exception cref="SteerException">It is damaged.</exception>
    public ChatTemplate? ChatTemplateOf(Variant expert) => _templates.GetOrAdd(expert, asked =>
    {
        string? own = Variants.Find(v => v.Variant == asked)?.Path;
        string[] places = [.. new[] { _options.Tokenizer, own, this[Variant.Base].Path }.OfType<string>()];
        return places.Select(p => ChatTemplate.Find(p)).FirstOrDefault(t => t is not null);
    });

    /// <summary>Opens, checks and packs everything that the options name.</summary>
    /// <exception cref="SteerException">A file is missing or wrong, or the models do not fit together.</exception>
    public static ModelSet Load(EngineOptions options, Device device, Action<string, double>? progress)
    {
        var baseCheckpoint = Checkpoint.Open(options.Base);
        var store = new WeightStore(device, options.WeightFormat);
        var set = new ModelSet(store, options);
        try
        {
            set._files.Add(baseCheckpoint);
            set.Add(Variant.Base, baseCheckpoint, progress);
            set.EosIds = baseCheckpoint.EosIds;
            set.BosId = baseCheckpoint.BosId;
            if (options.Tokenizer is not null || TokenizerFiles.AreIn(options.Base))
                set.Tokenizer = Tokenizer.Load(options.Tokenizer ?? options.Base);

            // Adapters before full checkpoints, so that variants which share weights lie side by side.
            (Variant Variant, string? Path)[] others =
            [
                (Variant.Expert, options.Expert), (Variant.AntiExpert, options.AntiExpert),
                (Variant.Amateur, options.Amateur), (Variant.Large, options.Large),
                .. options.MoreExperts.Select((path, i) => (Variant.MoreExperts + i, (string?)path)),
            ];
            foreach (var (variant, path) in others.Where(o => o.Path is not null).OrderBy(o => Adapter.IsAdapter(o.Path!) ? 0 : 1))
            {
                if (Adapter.IsAdapter(path!))
                    set.AddAdapter(variant, path!, baseCheckpoint, progress);
                else
                    set.AddCheckpoint(variant, path!, progress);
            }

            if (set.EosIds.Count == 0 && set.Tokenizer?.EosId is { } eos)
                set.EosIds = [eos];
            set.BosId ??= set.Tokenizer?.BosId;

            // Files may name tokens that the models have no rows for: nobody draws them, and nothing may look them up.
            set.EosIds = [.. set.EosIds.Where(set.MayDraw)];
            set.BosId = set.BosId is { } bos && set.Shapes.TrueForAll(s => (uint)bos < (uint)s.VocabSize) ? bos : null;
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _store.Dispose();
        foreach (var file in _files)
            file.Dispose();
        _files.Clear();
    }

    private void AddAdapter(Variant variant, string path, Checkpoint baseCheckpoint, Action<string, double>? progress)
    {
        var adapter = Adapter.Open(path, baseCheckpoint);
        _files.Add(adapter);
        var weights = _store.Load(adapter.Tensors, adapter, path, share => progress?.Invoke(path, share));
        Variants.Add(new LoadedVariant(variant, path, 0, weights, Shapes[0], adapter.ParameterCount, IsAdapter: true));
    }

    private void AddCheckpoint(Variant variant, string path, Action<string, double>? progress)
    {
        var checkpoint = Checkpoint.Open(path);
        _files.Add(checkpoint);
        if (Tokenizer is not null && TokenizerFiles.AreIn(path) && !Tokenizer.SameAs(Tokenizer.Load(path), out string difference))
            throw new SteerException($"{path}: its tokenizer differs from the base's ({difference}). Models that steer each other must share one.");
        Add(variant, checkpoint, progress);
        if (variant == Variant.Expert && checkpoint.EosIds.Count > 0)
            EosIds = checkpoint.EosIds;
        else if (variant >= Variant.MoreExperts)
            EosIds = [.. EosIds.Union(checkpoint.EosIds)];
    }

    private void Add(Variant variant, Checkpoint checkpoint, Action<string, double>? progress)
    {
        DecoderConfig config = checkpoint.Config.ForLength(_options.MaxLength);
        int decoder = Shapes.FindIndex(s => s.SameShape(config));
        if (decoder < 0)
        {
            decoder = Shapes.Count;
            Shapes.Add(config);
        }

        var weights = _store.Load(checkpoint.Tensors, null, checkpoint.Path, share => progress?.Invoke(checkpoint.Path, share));
        Variants.Add(new LoadedVariant(variant, checkpoint.Path, decoder, weights, config, checkpoint.ParameterCount, IsAdapter: false));
    }
}
