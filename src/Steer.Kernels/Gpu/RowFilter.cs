using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Which rows of y a product writes, and which row of x each comes from: all and its own, or those of one expert.</summary>
internal readonly struct RowFilter
{
    private readonly ArrayView<int> _expertIds;
    private readonly int _expert;

    private RowFilter(ArrayView<int> expertIds, int expert, int fanOut)
    {
        _expertIds = expertIds;
        _expert = expert;
        FanOut = fanOut;
    }

    /// <summary>Every row, from the row of x with its number.</summary>
    public static RowFilter All { get; } = new(ArrayView<int>.Empty, -1, 1);

    /// <summary>Rows of y that come from one row of x.</summary>
    public int FanOut { get; }

    /// <summary>The rows of <paramref name="expert"/>, see <see cref="Device.MatMulExperts"/>.</summary>
    public static RowFilter Of(DeviceBuffer<int> expertIds, int expert, int fanOut) => new(IlgpuDevice.View(expertIds), expert, fanOut);

    /// <summary>Whether it is every row, each once.</summary>
    public bool IncludesAll => _expert < 0;

    /// <summary>Whether a row is written.</summary>
    public bool Includes(int row) => _expert < 0 || _expertIds[row] == _expert;
}
