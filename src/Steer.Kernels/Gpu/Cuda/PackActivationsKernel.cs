using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Activations in the order of tensor cores' fragments (see <see cref="TensorCore"/>): [tiles of 8 rows][stages][2 pairs of groups][32 lanes][16 bytes],
/// as bfloat16, or in 8 bits with the scale of each block and row and that scale times the sum of its numbers,
/// [tiles][stages][4 groups][8 rows][2]. Rows and k are filled up with zeros. One thread for each row and group of 8 words.
/// </summary>
internal static class PackActivationsKernel
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 8;

    /// <summary>Words of one stage of a tile.</summary>
    public const int StageWords = 256;

    /// <summary>Scales and scaled sums of one stage of a tile.</summary>
    public const int StageScales = WeightLayout.GroupsPerStage * TileRows * 2;

    internal static IEnumerable<KernelSource> Sources =>
        [KernelSource.Of<Parameters>(PackActivationsBF16), KernelSource.Of<Parameters>(PackActivationsInt8)];

    /// <param name="device">Where to run.</param>
    /// <param name="x">[rows, k].</param>
    /// <param name="type">Of the weight.</param>
    /// <param name="tiles">Tiles of 8 rows; those past the rows of x are zeros.</param>
    /// <param name="stages">Stages along k.</param>
    /// <param name="packed">[tiles, stages, StageWords].</param>
    /// <param name="scales">[tiles, stages, StageScales]; not written for bfloat16.</param>
    public static void Run(IlgpuDevice device, Tensor x, DType type, int tiles, int stages, ArrayView<uint> packed, ArrayView<float> scales)
    {
        var parameters = new Parameters { X = new TensorView(x), Stages = stages, Packed = packed, Scales = scales };
        long count = (long)tiles * TileRows * stages * WeightLayout.GroupsPerStage;
        device.Launch(type == DType.BF16 ? PackActivationsBF16 : PackActivationsInt8, count, parameters);
    }

    internal static void PackActivationsBF16(Index1D index, Parameters p)
    {
        (int row, int stage, int group) = p.Place(index);
        int k = ((stage * WeightLayout.GroupsPerStage) + group) * 16;
        for (int word = 0; word < 8; word++, k += 2)
        {
            uint low = p.Inside(row, k) ? Numbers.ToBF16(p.X[row, k]) : 0, high = p.Inside(row, k + 1) ? Numbers.ToBF16(p.X[row, k + 1]) : 0;
            p.Packed[p.Word(row, stage, group, word)] = low | (high << 16);
        }
    }

    internal static void PackActivationsInt8(Index1D index, Parameters p)
    {
        (int row, int stage, int group) = p.Place(index);
        int start = ((stage * WeightLayout.GroupsPerStage) + group) * BlockQuantizer.BlockSize;
        int end = row < p.X.Rows ? Math.Min(start + BlockQuantizer.BlockSize, p.X.Columns) : start;
        float scale = ActivationBlock.Scale(p.X, row, start, end);
        int sum = 0;
        for (int word = 0; word < 8; word++)
        {
            uint four = 0;
            for (int i = 0; i < 4; i++)
            {
                int k = start + (4 * word) + i;
                int q = k < end ? ActivationBlock.Quantise(p.X[row, k], scale) : 0;
                sum += q;
                four |= (uint)(q & 255) << (8 * i);
            }

            p.Packed[p.Word(row, stage, group, word)] = four;
        }

        long place = ((((((long)row / TileRows * p.Stages) + stage) * WeightLayout.GroupsPerStage) + group) * TileRows * 2) + (row % TileRows * 2);
        p.Scales[place] = scale;
        p.Scales[place + 1] = scale * sum;
    }

    internal struct Parameters
    {
        public TensorView X;
        public int Stages;
        public ArrayView<uint> Packed;
        public ArrayView<float> Scales;

        public readonly bool Inside(int row, int k) => row < X.Rows && k < X.Columns;

        public readonly (int Row, int Stage, int Group) Place(int index) => (
            index / WeightLayout.GroupsPerStage / Stages,
            index / WeightLayout.GroupsPerStage % Stages,
            index % WeightLayout.GroupsPerStage);

        public readonly long Word(int row, int stage, int group, int word) =>
            ((((((long)row / TileRows) * Stages) + stage) * StageWords) + (group / 2 * 128)) +
            ((((row % TileRows * 4) + (word % 4)) * 4) + (group % 2 * 2) + (word / 4));
    }
}
