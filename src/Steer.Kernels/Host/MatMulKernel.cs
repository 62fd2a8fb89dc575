using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>y = x W^T + bias, group by group.</summary>
internal sealed unsafe class MatMulKernel : ParallelJob
{
    private HostMatrix _x, _y;
    private HostWeight? _weight;
    private float* _bias;

    public void Launch(ThreadTeam team, in HostMatrix x, HostWeight weight, float* bias, in HostMatrix y)
    {
        (_x, _y, _weight) = (x, y, weight);
        _bias = bias;
        team.Run(this, weight.Panels);
    }

    public override void Run(int part)
    {
        for (int row = 0; row < _x.Rows; row++)
            Row(part, row);
    }

    private void Row(int panel, int row)
    {
        float* x = _x.Row(row);
        var a = Vector512<float>.Zero;
        var b = Vector512<float>.Zero;
        int k = _weight!.K;
        if (_weight.Type == DType.F32)
        {
            float* w = (float*)_weight.Panel(panel);
            for (int i = 0; i < k; i++, w += 32)
            {
                var xi = Vector512.Create(x[i]);
                a = Vector512.FusedMultiplyAdd(xi, Vector512.Load(w), a);
                b = Vector512.FusedMultiplyAdd(xi, Vector512.Load(w + 16), b);
            }
        }
        else
        {
            uint* w = (uint*)_weight.Panel(panel);
            for (int i = 0; i < k; i++, w += 16)
            {
                var xi = Vector512.Create(x[i]);
                var words = Vector512.Load(w);
                a = Vector512.FusedMultiplyAdd(xi, (words << 16).AsSingle(), a);
                b = Vector512.FusedMultiplyAdd(xi, (words & Vector512.Create(0xFFFF0000u)).AsSingle(), b);
            }
        }
        float* sums = stackalloc float[32];
        a.Store(sums);
        b.Store(sums + 16);
        float* y = _y.Row(row) + (panel * 32);
        int columns = Math.Min(32, _weight.N - (panel * 32));
        for (int c = 0; c < columns; c++)
            y[c] = _bias is null ? sums[c] : sums[c] + _bias[(panel * 32) + c];
    }
}
