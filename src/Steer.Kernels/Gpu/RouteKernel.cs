using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.Route"/>: one thread for each row. An expert's rank is found by looking for the best logit behind the last
/// one taken, so that nothing has to be marked.
/// </summary>
internal static class RouteKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(Route)];

    public static void Run(IlgpuDevice device, Tensor logits, bool normalise, DeviceBuffer<int> expertIds, Tensor weights)
    {
        var parameters = new Parameters
        {
            Logits = new TensorView(logits),
            ExpertIds = IlgpuDevice.View(expertIds),
            Weights = new TensorView(weights),
            Normalise = normalise ? 1 : 0,
        };
        device.Launch(Route, logits.Rows, parameters);
    }

    internal static void Route(Index1D row, Parameters p)
    {
        int k = p.Weights.Columns;
        float best = 0;
        int taken = -1;
        for (int j = 0; j < k; j++)
        {
            int next = -1;
            for (int e = 0; e < p.Logits.Columns; e++)
            {
                float logit = p.Logits[row, e];
                bool remains = taken < 0 || logit < best || (logit == best && e > taken);
                if (remains && (next < 0 || logit > p.Logits[row, next]))
                    next = e;
            }

            taken = Math.Max(next, 0); // a row of NaN compares with nothing
            best = p.Logits[row, taken];
            p.ExpertIds[((long)row.X * k) + j] = taken;
            p.Weights[row, j] = best;
        }

        // Logits become probabilities; where they are normalised, the sum over all experts cancels.
        float maximum = p.Weights[row, 0], sum = 0;
        if (p.Normalise != 0)
        {
            for (int j = 0; j < k; j++)
                sum += KernelMath.Exp(p.Weights[row, j] - maximum);
        }
        else
        {
            for (int e = 0; e < p.Logits.Columns; e++)
                sum += KernelMath.Exp(p.Logits[row, e] - maximum);
        }

        for (int j = 0; j < k; j++)
            p.Weights[row, j] = KernelMath.Exp(p.Weights[row, j] - maximum) / sum;
    }

    internal struct Parameters
    {
        public TensorView Logits;
        public ArrayView<int> ExpertIds;
        public TensorView Weights;
        public int Normalise;
    }
}
