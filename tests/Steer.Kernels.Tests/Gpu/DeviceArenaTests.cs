using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using Steer.Kernels.Gpu;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>The arena of a device: pieces never overlap, what is given back is used again, a limit holds.</summary>
public sealed class DeviceArenaTests : IDisposable
{
    private readonly Context _context = Context.Create(b => b.CPU());
    private readonly Accelerator _accelerator;

    public DeviceArenaTests() => _accelerator = _context.CreateCPUAccelerator(0);

    public void Dispose()
    {
        _accelerator.Dispose();
        _context.Dispose();
    }

    [Fact]
    public void Pieces_of_any_size_taken_and_given_back_in_any_order_never_overlap()
    {
        using var arena = new DeviceArena(_accelerator, long.MaxValue);
        var random = new Random(1);
        var held = new List<ArenaPiece>();
        int[] elementSizes = [1, 4, 24, 104];
        for (int i = 0; i < 2000; i++)
        {
            if (held.Count > 0 && random.Next(5) < 2)
            {
                int at = random.Next(held.Count);
                held[at].Dispose();
                held.RemoveAt(at);
                continue;
            }

            int size = elementSizes[random.Next(elementSizes.Length)];
            ArenaPiece piece = arena.Take((1 + random.Next(1 << random.Next(18))) * size, size);
            Assert.Equal(0, piece.Start % size);
            Assert.Equal(0, piece.Start % 256);
            held.Add(piece);
        }

        foreach (var slab in held.GroupBy(p => p.Slab))
        {
            ArenaPiece[] pieces = [.. slab.OrderBy(p => p.Start)];
            for (int i = 1; i < pieces.Length; i++)
                Assert.True(pieces[i - 1].Start + pieces[i - 1].Bytes <= pieces[i].Start);
        }

        held.ForEach(p => p.Dispose());
        Assert.Equal(0, arena.Reserved);
    }

    [Fact]
    public void What_is_given_back_is_used_again()
    {
        using var arena = new DeviceArena(_accelerator, long.MaxValue);
        using ArenaPiece keeps = arena.Take(1000, 4);
        for (int i = 0; i < 100; i++)
            arena.Take(DeviceArena.SlabBytes - 4096, 4).Dispose();
        Assert.Equal(DeviceArena.SlabBytes, arena.Reserved);
    }

    [Fact]
    public void A_limit_holds_and_less_than_a_slab_is_taken_where_only_that_fits()
    {
        using var arena = new DeviceArena(_accelerator, 10_000);
        using ArenaPiece piece = arena.Take(9_000, 4);
        Assert.Equal(9_000, arena.Reserved);
        OutOfMemoryException error = Assert.Throws<OutOfMemoryException>(() => arena.Take(2_000, 4));
        Assert.Contains("2000", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Uploads_larger_than_the_pinned_memory_arrive_whole()
    {
        using IlgpuDevice device = IlgpuDevice.Create("ilgpu-cpu");
        var numbers = new int[7_000_001];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = i * 31;
        using DeviceBuffer<int> buffer = device.Allocate<int>(numbers.Length + 3);
        buffer.Upload(numbers, 3);
        buffer.Upload([7], 1);
        var read = new int[numbers.Length + 3];
        buffer.Download(read);
        Assert.Equal([0, 7, 0], read[..3]);
        Assert.True(read.AsSpan(3).SequenceEqual(numbers));
    }
}
