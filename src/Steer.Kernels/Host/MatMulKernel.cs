using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Steer.Kernels.Host;

/// <summary>
/// y = x W^T + bias for lists of rows, each list with its own weight, in one launch. Rows are put into the words and the order of the tiles first;
/// then threads take ranges of panels, and of rows where there are many. Within such a range k is cut into blocks, so that a block of all rows stays
/// in the second-level cache while the panels pass by; sums wait in y from block to block, which changes no bit of them.
/// </summary>
internal sealed unsafe class MatMulKernel(ThreadTeam team, TileSet tiles) : ParallelJob, IDisposable
{
    private const int PanelWidth = HostWeight.PanelWidth;

    // Rows of a part: twelve tiles that read a panel after one another.
    private const int RowBlock = 144;

    // Bytes of a block of k, of all rows of a part, of a panel and of the next: three quarters of a second-level cache of a megabyte.
    private const long KBlockBytes = 768 << 10;

    // k of a panel that are widened at a time: a quarter of a first-level cache in float32.
    private const int WidenedBlock = 128;

    // Multiply-adds, or weights read instead of 8 of them, that are worth handing to another thread: a few microseconds.
    private const long PartCost = 1 << 18;
    private const int ReadCost = 8;
    private const int LeastPartsPerThread = 4;

    // Panels of a part: sums of so many panels and a block of rows stay in a second-level cache from one block of k to the next.
    private const int MaxPanels = 16;

    private readonly RowRanges _ranges = new(team);
    private readonly Scratch<nint> _yRows = new();
    private HostMatrix _x;
    private HostMatrix _y;
    private Product[] _products = new Product[4];
    private Part[] _parts = new Part[64];
    private int _productCount;
    private int _rowCount;
    private int _partCount;

    private float** YRows => (float**)_yRows.Data;

    /// <summary>Starts a launch of at most <paramref name="maxRows"/> rows.</summary>
    public void Begin(in HostMatrix x, in HostMatrix y, int maxRows)
    {
        (_x, _y) = (x, y);
        _productCount = _rowCount = _partCount = 0;
        _ranges.Begin(maxRows, x.Columns);
        _yRows.Reserve(maxRows);
    }

    /// <summary>The rows added next go through this weight; a weight and bias as before continue the list of before.</summary>
    public void Use(HostWeight weight, float* bias)
    {
        if (_productCount > 0 && _products[_productCount - 1].Weight == weight && _products[_productCount - 1].Bias == bias)
            return;
        if (_productCount == _products.Length)
            Array.Resize(ref _products, 2 * _productCount);
        _products[_productCount++] = new Product { Weight = weight, Tiles = tiles.For(weight.Format), Bias = bias, FirstRow = _rowCount };
    }

    /// <summary>Row <paramref name="x"/> of x gives row <paramref name="y"/> of y.</summary>
    public void AddRow(int x, int y)
    {
        _ranges.SetRow(_rowCount, _x.Row(x));
        YRows[_rowCount++] = _y.Row(y);
        _products[_productCount - 1].Rows++;
    }

    /// <summary>Multiplies.</summary>
    public void Launch()
    {
        for (int i = 0; i < _productCount; i++)
            Plan(i);
        if (_partCount == 0)
            return;
        _ranges.Pack();
        team.Run(this, _partCount);
        Array.Clear(_products, 0, _productCount);
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        var p = _parts[part];
        ref readonly var product = ref _products[p.Product];
        if (product.Tiles.Widen is not null)
            MultiplyWidened(product, p);
        else
            Multiply(product, p);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ranges.Dispose();
        _yRows.Dispose();
    }

    // Cuts a product's rows into tiles of nearly equal size, and its work into parts.
    private void Plan(int index)
    {
        ref readonly var product = ref _products[index];
        int panels = product.Weight.Panels;
        if (product.Rows == 0 || panels == 0)
            return;
        int ranges = (product.Rows + tiles.MaxRows - 1) / tiles.MaxRows;
        int firstRange = _ranges.Count;
        for (int i = 0; i < ranges; i++)
        {
            int start = Share(product.Rows, ranges, i);
            _ranges.Add(product.FirstRow + start, Share(product.Rows, ranges, i + 1) - start, product.Tiles);
        }

        // A single row may be multiplied by two panels at once: its parts begin at even ones.
        int unit = product.Rows == 1 ? 2 : 1, units = (panels + unit - 1) / unit;
        long unitCost = (product.Rows + ReadCost) * (long)product.Weight.K * unit * PanelWidth;
        // Rows are cut where panels are too few for the team: else each panel is read once for all rows of a block.
        int wanted = (int)Math.Clamp(units * unitCost / PartCost, 1, LeastPartsPerThread * team.Threads);
        int rowBlocks = Math.Max((product.Rows + RowBlock - 1) / RowBlock, Math.Min(ranges, (wanted + units - 1) / units));
        int least = (int)Math.Min(units, (PartCost * rowBlocks / Math.Max(1, unitCost)) + 1);
        // Large parts first, which use what is in their caches for long; small ones at the end, so that all threads end together.
        int left = rowBlocks * units;
        for (int r = 0; r < rowBlocks; r++)
        {
            int start = Share(ranges, rowBlocks, r), end = Share(ranges, rowBlocks, r + 1);
            for (int first = 0; first < units;)
            {
                int count = Math.Min(units - first, Math.Max(least, Math.Min(MaxPanels / unit, left / (2 * team.Threads))));
                if (_partCount == _parts.Length)
                    Array.Resize(ref _parts, 2 * _partCount);
                _parts[_partCount++] = new Part(index, firstRange + start, end - start, unit * first, Math.Min(panels, unit * (first + count)));
                first += count;
                left -= count;
            }
        }
    }

    private void Multiply(in Product product, Part part)
    {
        var weight = product.Weight;
        int panel = part.FirstPanel;
        if (part.Ranges == 1 && _ranges[part.FirstRange].Rows == 1 && product.Tiles.Stream.Exists)
        {
            for (; panel + 1 < part.EndPanel && (panel + 2) * PanelWidth <= weight.N; panel += 2)
                MultiplyPair(product, panel, _ranges[part.FirstRange]);
        }
        int block = KBlock(product, part), k = 0;
        do
        {
            int count = Math.Min(block, weight.K - k);
            for (int i = panel; i < part.EndPanel; i++)
                Multiply(product, part, i, k, count, weight.Panel(i, k));
            k += count;
        }
        while (k < weight.K);
    }

    // The k that a part's tiles go through before they come back to the first panel: as even as steps allow.
    private int KBlock(in Product product, Part part)
    {
        int k = product.Weight.K, depth = product.Weight.Depth;
        if (part.Ranges == 1)
            return k;
        int last = part.FirstRange + part.Ranges - 1, rows = _ranges[last].First + _ranges[last].Rows - _ranges[part.FirstRange].First;
        long stepBytes = (2 * product.Weight.StepBytes) + (sizeof(uint) * (long)rows * RowCodes.Words(product.Tiles.Code, depth, depth));
        long blocks = Math.Max(1, (((k + depth - 1L) / depth * stepBytes) + KBlockBytes - 1) / KBlockBytes);
        return (int)((k + (blocks * depth) - 1) / (blocks * depth) * depth);
    }

    // Panels of float32 that a thread makes for itself, piece by piece.
    [SkipLocalsInit]
    private void MultiplyWidened(in Product product, Part part)
    {
        float* wide = stackalloc float[WidenedBlock * PanelWidth];
        var weight = product.Weight;
        for (int panel = part.FirstPanel; panel < part.EndPanel; panel++)
        {
            int k = 0;
            do
            {
                int count = Math.Min(WidenedBlock, weight.K - k);
                product.Tiles.Widen(weight.Panel(panel, k), BlockQuantizer.Blocks(count), wide);
                Multiply(product, part, panel, k, count, (byte*)wide);
                k += count;
            }
            while (k < weight.K);
        }
    }

    // One block of k of a panel x all rows of a part. Each range of rows asks for its share of what comes next.
    private void Multiply(in Product product, Part part, int panel, int k, int count, byte* source)
    {
        var weight = product.Weight;
        var tiles = product.Tiles;
        int columns = Math.Min(PanelWidth, weight.N - (panel * PanelWidth)), steps = (count + weight.Depth - 1) / weight.Depth;
        long words = RowCodes.Words(tiles.Code, k, tiles.Depth);
        var args = new TileArgs { Panel = source, K = count, Carry = k > 0, Column = panel * PanelWidth };
        if (product.Bias is not null && k + count == weight.K)
            args.Bias = product.Bias + (panel * PanelWidth);
        byte* next = Next(product, part, panel, k, count);
        if (next is not null)
            args.NextBytes = (weight.StepBytes + part.Ranges - 1) / part.Ranges;
        for (int r = 0; r < part.Ranges; r++)
        {
            ref readonly var range = ref _ranges[part.FirstRange + r];
            args.X = range.Words + (words * range.Rows);
            args.Y = YRows + range.First;
            args.Next = next is null ? (byte*)args.X : next + (r * steps * args.NextBytes);
            if (!args.Carry)
                Prefetch(args.Y, args.Column, range.Rows);
            if (columns == PanelWidth)
                tiles.Rows(range.Rows).Run(&args);
            else
                MultiplyRagged(args, tiles.Rows(range.Rows), range.Rows, columns);
        }
    }

    // What comes after this block of this panel. A panel that a single range reads goes by too fast for it; one that is widened goes by slowly.
    private static byte* Next(in Product product, Part part, int panel, int k, int count)
    {
        if (part.Ranges == 1 || product.Tiles.Widen is not null)
            return null;
        if (panel + 1 < part.EndPanel)
            return product.Weight.Panel(panel + 1, k);
        return k + count < product.Weight.K ? product.Weight.Panel(part.FirstPanel, k + count) : null;
    }

    // Sums go to memory that is in no cache yet: asked for now, it is there when a tile ends.
    private static void Prefetch(float** y, nint column, int rows)
    {
        if (!Sse.IsSupported)
            return;
        for (int row = 0; row < rows; row++)
        {
            Sse.Prefetch1(y[row] + column);
            Sse.Prefetch1(y[row] + column + (PanelWidth / 2));
        }
    }

    // The last panel has fewer columns than a tile writes: the sums go by way of the stack.
    private static void MultiplyRagged(TileArgs args, TileCode<TileArgs> tile, int rows, int columns)
    {
        float* sums = stackalloc float[(rows + 1) * PanelWidth];
        float** sumRows = stackalloc float*[rows];
        float* bias = sums + (rows * PanelWidth);
        float** y = args.Y;
        nint column = args.Column;
        for (int row = 0; row < rows; row++)
        {
            sumRows[row] = sums + (row * PanelWidth);
            if (args.Carry)
                Copy(y[row] + column, sumRows[row], columns);
        }
        if (args.Bias is not null)
        {
            Copy(args.Bias, bias, columns);
            args.Bias = bias;
        }
        args.Y = sumRows;
        args.Column = 0;
        tile.Run(&args);
        for (int row = 0; row < rows; row++)
            Copy(sumRows[row], y[row] + column, columns);
    }

    // One row x two whole panels.
    private void MultiplyPair(in Product product, int panel, in RowRange range)
    {
        var weight = product.Weight;
        var args = new TileArgs
        {
            X = range.Words,
            Panel = weight.Panel(panel),
            PanelBytes = (nint)weight.PanelBytes,
            K = weight.K,
            Y = YRows + range.First,
            Column = panel * PanelWidth,
            Bias = product.Bias is null ? null : product.Bias + (panel * PanelWidth),
            Next = (byte*)range.Words,
        };
        product.Tiles.Stream.Run(&args);
    }

    private static void Copy(float* from, float* to, int count) => new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));

    private static int Share(int total, int parts, int index) => (int)((long)total * index / parts);

    private struct Product
    {
        public HostWeight Weight;
        public FormatTiles Tiles;
        public float* Bias;
        public int FirstRow;
        public int Rows;
    }

    // What one thread does at a time: panels of one product for some of its row ranges.
    private readonly record struct Part(int Product, int FirstRange, int Ranges, int FirstPanel, int EndPanel);
}
