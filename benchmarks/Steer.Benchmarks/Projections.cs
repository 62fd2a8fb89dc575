using Steer.Kernels;

namespace Steer.Benchmarks;

/// <summary>The projections of a decoder's layers, enough layers that the weights do not fit into a cache.</summary>
/// <param name="Name">Size of the whole model.</param>
/// <param name="Hidden">Width of the residual stream.</param>
/// <param name="Qkv">Columns of query, key and value.</param>
/// <param name="Intermediate">Width of the feed-forward block.</param>
/// <param name="Layers">Layers measured.</param>
public sealed record ModelShape(string Name, int Hidden, int Qkv, int Intermediate, int Layers)
{
    /// <summary>The shape of a Llama of 134M parameters.</summary>
    public static ModelShape Small { get; } = new("134M", 576, 960, 1536, 12);

    /// <summary>The shape of a Llama of 1.1B parameters.</summary>
    public static ModelShape Large { get; } = new("1.1B", 2048, 2560, 5632, 3);

    /// <summary>The shape of a Llama of 7B parameters.</summary>
    public static ModelShape Huge { get; } = new("7B", 4096, 12288, 11008, 1);

    /// <summary>The shape of the embedded pair: its weights fit into a cache.</summary>
    public static ModelShape Embedded { get; } = new("5.5M", 256, 512, 704, 6);

    /// <summary>Output and input features of a layer's projections.</summary>
    public (int N, int K)[] Projections => [(Qkv, Hidden), (Hidden, Hidden), (2 * Intermediate, Hidden), (Hidden, Intermediate)];

    /// <summary>Numbers in all weights that are measured.</summary>
    public long Weights => Layers * Projections.Sum(p => (long)p.N * p.K);
}

/// <summary>All projections of a model's layers on some rows, the last of which may go through a LoRA expert as well.</summary>
public sealed class Projections : Workload
{
    private readonly ModelShape _shape;
    private readonly int _rows;
    private readonly int _expertRows;
    private readonly List<(Tensor X, MatMulGroup Base, LoraGroup? Expert, Tensor Y)> _steps = [];
    private Device? _device;

    /// <param name="shape">The model.</param>
    /// <param name="format">How weights are held.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="expertRows">How many of them, at the end, have a LoRA expert of rank 16.</param>
    public Projections(ModelShape shape, WeightFormat format, int rows, int expertRows = 0)
        : base($"MatMul {shape.Name} {Short(format)}, {rows} {(rows == 1 ? "row" : "rows")}{(expertRows > 0 ? $", {expertRows} with LoRA" : "")}")
    {
        (_shape, _rows, _expertRows) = (shape, rows, expertRows);
        Format = format;
        Flops = 2.0 * rows * shape.Weights;
        long bytes = shape.Layers * shape.Projections.Sum(p => p.N * format.Type.RowBytes(p.K));
        Bytes = bytes > LargestCache ? bytes : 0;
    }

    /// <inheritdoc/>
    public override void Setup(Device device)
    {
        _device = device;
        _steps.Clear();
        // Layers share their activations, as a decoder's do.
        (Tensor X, Tensor Y)[] activations = [.. _shape.Projections.Select(p => (Random(device, _rows, p.K), Random(device, _rows, p.N)))];
        for (int layer = 0; layer < _shape.Layers; layer++)
        {
            foreach (var ((n, k), (x, y)) in _shape.Projections.Zip(activations))
            {
                var weight = Own(device.Pack([new RandomMatrix(n, k)], Format));
                LoraGroup? expert = null;
                if (_expertRows > 0)
                {
                    var adapter = Own(device.PackLora(n, k, [new LoraSegment(0, n, new RandomMatrix(16, k), new RandomMatrix(n, 16))]));
                    expert = new LoraGroup(_rows - _expertRows, _expertRows, adapter);
                }
                _steps.Add((x, new MatMulGroup(0, _rows, weight, null), expert, y));
            }
        }
    }

    /// <inheritdoc/>
    public override void Run()
    {
        foreach (var (x, group, expert, y) in _steps)
        {
            _device!.MatMul(x, [group], y);
            if (expert is { } lora)
                _device.LoraDelta(x, [lora], y);
        }
    }

    private static string Short(WeightFormat format) =>
        format.Type.ToString().ToLowerInvariant() + (format.RoundActivations ? " rounded" : "");
}
