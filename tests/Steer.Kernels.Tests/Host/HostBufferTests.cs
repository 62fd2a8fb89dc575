using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Host;

public unsafe class HostBufferTests
{
    // On the heap, on huge pages that several share, and on its own; chunks of shared pages are exchanged several times by those of 7 MB.
    private static readonly long[] Sizes = [1, 100, 64 << 10, (64 << 10) + 1, 300_001, 1 << 20, 7 << 20, 8 << 20, 9_000_001];

    [Fact]
    public void Buffers_of_all_sizes_are_zero_aligned_and_apart()
    {
        var buffers = new List<(HostBuffer<byte> Buffer, byte Mark)>();
        byte mark = 0;
        for (int round = 0; round < 12; round++)
        {
            foreach (long size in Sizes)
            {
                var buffer = new HostBuffer<byte>(size);
                Assert.Equal(0, (nint)buffer.Data % 64);
                Assert.True(Bytes(buffer).IndexOfAnyExcept((byte)0) < 0);
                Bytes(buffer).Fill(++mark);
                buffers.Add((buffer, mark));
            }
            // Some are given back meanwhile; what is taken after them must be zero all the same.
            for (int i = buffers.Count - 1 - (round % 7); i >= 0; i -= 7)
            {
                buffers[i].Buffer.Dispose();
                buffers.RemoveAt(i);
            }
        }
        foreach (var (buffer, own) in buffers)
        {
            Assert.True(Bytes(buffer).IndexOfAnyExcept(own) < 0);
            buffer.Dispose();
        }
    }

    [Fact]
    public void Threads_take_and_return_at_once()
    {
        Parallel.For(0, 8, thread =>
        {
            for (int i = 0; i < 200; i++)
            {
                using var buffer = new HostBuffer<int>((16 << 10) + (i * 1000));
                Assert.Equal(0, buffer.Data[0]);
                Assert.Equal(0, buffer.Data[buffer.Length - 1]);
                new Span<int>(buffer.Data, (int)buffer.Length).Fill(thread + 1);
                Assert.Equal((int)buffer.Length, new ReadOnlySpan<int>(buffer.Data, (int)buffer.Length).Count(thread + 1));
            }
        });
    }

    [Theory]
    [InlineData(100)]
    [InlineData(1 << 20)]
    [InlineData(16 << 20)]
    public void A_buffer_is_given_back_once(int size)
    {
        var kept = new HostBuffer<byte>(size);
        var buffer = new HostBuffer<byte>(size);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => (nint)buffer.Data);
        new Span<byte>(kept.Data, size).Fill(1);
        kept.Dispose();
    }

    private static Span<byte> Bytes(HostBuffer<byte> buffer) => new(buffer.Data, (int)buffer.Length);
}
