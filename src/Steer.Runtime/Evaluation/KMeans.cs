using System.Numerics.Tensors;
using Steer.Kernels;
using Tensor = Steer.Kernels.Tensor;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Lloyd's k-means from random points, the best of several starts. Points times centres, which is all of the work, is a matrix product of the CPU
/// device: the nearest centre is that of the largest x c - |c|^2 / 2.
/// </summary>
internal sealed class KMeans : IDisposable
{
    private const int Chunk = 1024;
    private readonly Device _device;
    private readonly float[] _points;
    private readonly int _rows;
    private readonly int _dimensions;
    private readonly int _clusters;
    private readonly DeviceBuffer<float> _deviceRows;
    private readonly DeviceBuffer<float> _deviceScores;
    private readonly DeviceBuffer<float> _deviceBias;
    private readonly float[] _scores;
    private readonly float[] _best;

    /// <param name="device">Multiplies.</param>
    /// <param name="points">[rows, dimensions], at least <paramref name="clusters"/> rows.</param>
    /// <param name="dimensions">Width of a point.</param>
    /// <param name="clusters">Clusters.</param>
    public KMeans(Device device, float[] points, int dimensions, int clusters)
    {
        _device = device;
        _points = points;
        _dimensions = dimensions;
        _clusters = clusters;
        _rows = points.Length / dimensions;
        _deviceRows = device.Allocate<float>(points.Length);
        _deviceRows.Upload(points);
        _deviceScores = device.Allocate<float>((long)Chunk * clusters);
        _deviceBias = device.Allocate<float>(clusters);
        _scores = new float[Chunk * clusters];
        _best = new float[_rows];
    }

    /// <summary>The cluster of each point, in the start with the smallest sum of squared distances.</summary>
    /// <param name="starts">How often to begin anew.</param>
    /// <param name="maxIterations">Most rounds of a start; it ends before where no point changes its cluster.</param>
    /// <param name="seed">Of the first centres.</param>
    public int[] Run(int starts, int maxIterations, ulong seed)
    {
        int[] labels = [];
        double least = double.PositiveInfinity;
        for (uint start = 0; start < starts; start++)
        {
            var (found, distance) = RunOnce(maxIterations, RandomSubset.Permutation(_rows, seed, start).AsSpan(0, _clusters));
            if (distance < least)
                (labels, least) = (found, distance);
        }

        return labels;
    }

    public void Dispose()
    {
        _deviceRows.Dispose();
        _deviceScores.Dispose();
        _deviceBias.Dispose();
    }

    private (int[] Labels, double Distance) RunOnce(int maxIterations, ReadOnlySpan<int> first)
    {
        var centres = new float[_clusters * _dimensions];
        for (int c = 0; c < _clusters; c++)
            Point(first[c]).CopyTo(Centre(centres, c));
        int[] labels = new int[_rows], before = new int[_rows];
        labels.AsSpan().Fill(-1);
        double squares = TensorPrimitives.SumOfSquares<float>(_points);
        for (int i = 0; i < maxIterations; i++)
        {
            (labels, before) = (before, labels);
            Assign(centres, labels);
            if (labels.AsSpan().SequenceEqual(before))
                break;
            Move(centres, labels);
        }

        double gain = 0;
        foreach (float best in _best)
            gain += best;
        return (labels, squares - 2 * gain);
    }

    /// <summary>Gives each point the centre nearest to it, the first of those that are as near.</summary>
    private void Assign(float[] centres, int[] labels)
    {
        var bias = new float[_clusters];
        for (int c = 0; c < _clusters; c++)
            bias[c] = -TensorPrimitives.SumOfSquares<float>(Centre(centres, c)) / 2;
        _deviceBias.Upload(bias);
        using var weight = _device.Pack([new Centres(centres, _clusters, _dimensions)], DType.F32);
        for (int start = 0; start < _rows; start += Chunk)
        {
            int count = Math.Min(Chunk, _rows - start), begin = start;
            var x = new Tensor(_deviceRows, _rows, _dimensions).RowSlice(start, count);
            _device.MatMul(x, [new MatMulGroup(0, count, weight, _deviceBias)], new Tensor(_deviceScores, count, _clusters));
            _deviceScores.Download(_scores.AsSpan(0, count * _clusters));
            Parallel.For(0, count, i =>
            {
                ReadOnlySpan<float> scores = _scores.AsSpan(i * _clusters, _clusters);
                int nearest = TensorPrimitives.IndexOfMax(scores);
                labels[begin + i] = nearest;
                _best[begin + i] = scores[nearest];
            });
        }
    }

    /// <summary>Moves each centre to the mean of its points. One that has none goes beside the centre that has most, to part its points.</summary>
    private void Move(float[] centres, int[] labels)
    {
        const float nudge = 1f / 1024;
        var sums = new double[centres.Length];
        var counts = new int[_clusters];
        var wide = new double[_dimensions];
        for (int i = 0; i < _rows; i++)
        {
            Span<double> sum = sums.AsSpan(labels[i] * _dimensions, _dimensions);
            TensorPrimitives.ConvertTruncating(Point(i), wide);
            TensorPrimitives.Add(sum, wide, sum);
            counts[labels[i]]++;
        }

        for (int c = 0; c < _clusters; c++)
        {
            Span<double> sum = sums.AsSpan(c * _dimensions, _dimensions);
            if (counts[c] == 0)
                continue;
            TensorPrimitives.Divide(sum, counts[c], sum);
            TensorPrimitives.ConvertTruncating<double, float>(sum, Centre(centres, c));
        }

        for (int c = 0; c < _clusters; c++)
        {
            if (counts[c] > 0)
                continue;
            int largest = Array.IndexOf(counts, counts.Max());
            Span<float> parted = Centre(centres, largest), added = Centre(centres, c);

            // The other centre stays where it is, so that points which are all the same stay with it and the rounds end.
            for (int d = 0; d < _dimensions; d++)
                added[d] = parted[d] * (d % 2 == 0 ? 1 + nudge : 1 - nudge);
            counts[c] = counts[largest] / 2;
            counts[largest] -= counts[c];
        }
    }

    private ReadOnlySpan<float> Point(int row) => _points.AsSpan(row * _dimensions, _dimensions);

    private Span<float> Centre(float[] centres, int cluster) => centres.AsSpan(cluster * _dimensions, _dimensions);

    private sealed class Centres(float[] values, int rows, int columns) : WeightMatrix(rows, columns)
    {
        public override void ReadRow(int row, Span<float> destination) => values.AsSpan(row * Columns, Columns).CopyTo(destination);
    }
}
