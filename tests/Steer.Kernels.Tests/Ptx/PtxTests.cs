using System.Runtime.InteropServices;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>The interpreter on small pieces of PTX whose results are known, and on wrong ones that it has to find out.</summary>
public sealed class PtxTests
{
    private const string ThreadAddress = "mov.u32 %r0, %tid.x; mul.wide.u32 %rd1, %r0, 4; add.u64 %rd2, %rd0, %rd1;";

    [Fact]
    public void Lanes_that_part_meet_again()
    {
        // Each thread doubles a number as often as its index says; after the loop all 32 are there to add themselves up.
        uint[] results = Run(32, ThreadAddress + """
            mov.b32 %r1, 0;
            mov.b32 %r2, 1;
            LOOP:
            setp.lt.u32 %p0, %r1, %r0;
            @!%p0 bra DONE;
            shl.b32 %r2, %r2, 1;
            add.s32 %r1, %r1, 1;
            bra LOOP;
            DONE:
            redux.sync.add.u32 %r3, %r2, -1;
            st.global.u32 [%rd2], %r3;
            """);
        Assert.All(results, r => Assert.Equal(uint.MaxValue, r));
    }

    [Fact]
    public void A_barrier_shows_each_warp_what_others_wrote()
    {
        uint[] results = Run(128, ThreadAddress + """
            mov.b64 %rd3, buffer;
            add.u64 %rd4, %rd3, %rd1;
            st.shared.u32 [%rd4], %r0;
            bar.sync 0;
            xor.b32 %r1, %r0, 127;
            mul.wide.u32 %rd1, %r1, 4;
            add.u64 %rd4, %rd3, %rd1;
            ld.shared.u32 %r2, [%rd4];
            st.global.u32 [%rd2], %r2;
            """);
        Assert.Equal(Enumerable.Range(0, 128).Select(i => (uint)(i ^ 127)), results);
    }

    [Theory]
    [InlineData("bfly", 3, 31, "0x1F", 3)]
    [InlineData("down", 2, 31, "0x1F", 2)]
    [InlineData("idx", 7, 31, "0x181F", 7)]
    public void A_shuffle_brings_the_value_of_another_lane(string mode, int b, int lastLane, string c, int ofLaneZero)
    {
        uint[] results = Run(32, ThreadAddress + $"shfl.sync.{mode}.b32 %r1|%p0, %r0, {b}, {c}, -1; st.global.u32 [%rd2], %r1;");
        Assert.Equal((uint)ofLaneZero, results[0]);
        // A lane of no such partner keeps its own; one of a segment of eight (0x18) has its partner there.
        Assert.Equal(mode switch { "bfly" => 28u, "down" => (uint)lastLane, _ => 31u }, results[31]);
    }

    [Theory]
    [InlineData("shl.b32 %r1, %r0, 32;", 0u)]
    [InlineData("mov.b32 %r2, -8; shr.s32 %r1, %r2, 40;", uint.MaxValue)]
    [InlineData("mov.b32 %r2, -7; div.s32 %r1, %r2, 2;", unchecked((uint)-3))]
    [InlineData("mul.hi.u32 %r1, 0x80000000, 6;", 3u)]
    [InlineData("bfe.s32 %r1, 0xF0, 4, 4;", uint.MaxValue)]
    [InlineData("prmt.b32 %r1, 0x44332211, 0x88776655, 0x7410;", 0x88552211u)]
    [InlineData("cvt.rzi.s32.f32 %r1, 0f7FC00000;", 0u)]
    [InlineData("cvt.rni.s32.f32 %r1, 0f40200000;", 2u)]
    [InlineData("mov.f32 %f1, 0f7FC00000; min.f32 %f0, %f1, 0f3F800000; mov.b32 %r1, %f0;", 0x3F800000u)]
    [InlineData("neg.f32 %f0, 0f00000000; mov.b32 %r1, %f0;", 0x80000000u)]
    [InlineData("mov.f32 %f1, 0f7FC00000; setp.ltu.f32 %p0, %f1, 0f00000000; selp.b32 %r1, 5, 6, %p0;", 5u)]
    [InlineData("mov.f32 %f1, 0f7FC00000; setp.neu.f32 %p0, %f1, %f1; selp.b32 %r1, 5, 6, %p0;", 5u)]
    [InlineData("mov.b64 %rd3, {1, 7}; mov.b64 {_, %r1}, %rd3;", 7u)]
    [InlineData("mov.b32 %r2, 200; cvt.s8.s32 %r1, %r2;", unchecked((uint)-56))]
    [InlineData("vote.sync.ballot.b32 %r1, 1, -1;", uint.MaxValue)]
    public void Instructions_do_what_the_manual_says(string instructions, uint expected) =>
        Assert.Equal(expected, Run(32, ThreadAddress + instructions + "st.global.u32 [%rd2], %r1;")[0]);

    [Fact]
    public void A_product_within_a_sum_is_not_rounded_where_a_card_does_not_round_it()
    {
        // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24, which is lost where the product is rounded, as one is that something else reads.
        const string Product = "mov.f32 %f1, 0f3F800800; mul.f32 %f2, %f1, %f1; sub.f32 %f0, %f2, 0f3F801000; mov.b32 %r1, %f0;";
        Assert.Equal(0x33800000u, Run(32, ThreadAddress + Product + "st.global.u32 [%rd2], %r1;")[0]);
        Assert.Equal(0u, Run(32, ThreadAddress + Product + "st.global.f32 [%rd2], %f2; st.global.u32 [%rd2], %r1;")[0]);
        Assert.Equal(0u, Run(32, ThreadAddress + Product.Replace("mul.", "mul.rn.", StringComparison.Ordinal) + "st.global.u32 [%rd2], %r1;")[0]);
    }

    [Fact]
    public void A_copy_arrives_when_it_is_waited_for()
    {
        const string Begin = ThreadAddress + """
            mov.b64 %rd3, buffer;
            mul.wide.u32 %rd1, %r0, 16;
            add.u64 %rd4, %rd3, %rd1;
            add.u64 %rd5, %rd0, %rd1;
            st.global.u32 [%rd5], %r0;
            cp.async.cg.shared.global [%rd4], [%rd5], 16;
            cp.async.commit_group;
            """;
        Assert.Equal(5u, Run(32, Begin + "cp.async.wait_group 0; ld.shared.u32 %r1, [%rd4]; st.global.u32 [%rd2], %r1;", 128)[5]);
        Assert.Equal(0x7F7F7F7Fu, Run(32, Begin + "cp.async.wait_group 1; ld.shared.u32 %r1, [%rd4]; st.global.u32 [%rd2], %r1;", 128)[5]);
    }

    [Theory]
    [InlineData("mul.wide.u32 %rd1, %r0, 512; add.u64 %rd2, %rd0, %rd1; st.global.u32 [%rd2], %r0;", "where nothing is allocated", "thread 1)")]
    [InlineData("st.global.v4.u32 [%rd2], {%r0, %r0, %r0, %r0};", "no multiple of 16", "thread 1)")]
    [InlineData("mov.b64 %rd3, buffer; st.shared.u32 [%rd3+2048], %r0;", "where the group has 2048", "thread 0)")]
    [InlineData("mov.b64 %rd3, buffer; st.u32 [%rd3], %r0;", "where nothing is allocated", "thread 0)")]
    [InlineData("st.global.u32 [%rd2], %r5;", "%r5 is read", "thread 0)")]
    [InlineData("setp.lt.u32 %p0, %r0, 16; @%p0 mov.b32 %r5, 1; st.global.u32 [%rd2], %r5;", "%r5 is read", "thread 16)")]
    [InlineData("setp.lt.u32 %p0, %r0, 16; @%p0 bra A; bar.warp.sync -1; bra B; A: shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1; B: bar.warp.sync -1;", "never come", "")]
    [InlineData("setp.lt.u32 %p0, %r0, 32; @%p0 bra A; bar.sync 1; A: bar.sync 0;", "never come", "warp 1 at")]
    public void What_a_card_does_not_forgive_is_an_error_that_says_where(string instructions, string message, string where)
    {
        var fault = Assert.Throws<PtxFaultException>(() => Run(64, ThreadAddress + instructions));
        Assert.Contains("Kernel_Test", fault.Message, StringComparison.Ordinal);
        Assert.Contains("line ", fault.Message, StringComparison.Ordinal);
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
        Assert.Contains(where, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("st.shared.u32 [%rd4], %r0; ld.shared.u32 %r2, [%rd5];")]
    [InlineData("st.shared.u32 [%rd3], %r0;")]
    [InlineData("st.shared.u32 [%rd4], %r0; bar.sync 0; ld.shared.u32 %r2, [%rd5]; st.shared.u32 [%rd4], %r2;")]
    [InlineData("atom.shared.add.u32 %r2, [%rd3], 1; ld.shared.u32 %r3, [%rd3];")]
    public void A_missing_barrier_is_an_error_whatever_the_order(string instructions)
    {
        string kernel = ThreadAddress + "mov.b64 %rd3, buffer; add.u64 %rd4, %rd3, %rd1; xor.b32 %r1, %r0, 63; mul.wide.u32 %rd1, %r1, 4; add.u64 %rd5, %rd3, %rd1;" + instructions;
        Assert.Contains("no barrier between", Assert.Throws<PtxFaultException>(() => Run(64, kernel)).Message, StringComparison.Ordinal);
    }

    /// <summary>Counted by hand: the address of the results is two; in the loop there are two counters, a sum and what is added; a predicate is none.</summary>
    [Theory]
    [InlineData("mov.b32 %r0, 1; st.global.u32 [%rd0], %r0;", 3)]
    [InlineData("mov.b32 %r0, 1; mov.b32 %r1, 2; mov.b32 %r2, 3; add.u32 %r3, %r0, %r1; add.u32 %r3, %r3, %r2; st.global.u32 [%rd0], %r3;", 5)]
    [InlineData("ld.global.v4.u32 {%r0, %r1, %r2, %r3}, [%rd0]; st.global.u32 [%rd0], %r3;", 6)]
    [InlineData("mov.b32 %r0, 1; setp.lt.u32 %p0, %r0, 16; @%p0 mov.b32 %r0, 2; mov.b32 %r1, 3; st.global.v2.u32 [%rd0], {%r0, %r1};", 4)]
    [InlineData("""
        ld.global.v4.u32 {%r0, %r1, %r2, %r4}, [%rd0];
        LOOP:
        add.u32 %r2, %r2, %r4;
        mov.b32 %r3, %r1;
        add.u32 %r0, %r0, %r3;
        setp.lt.u32 %p0, %r0, 16;
        @%p0 bra LOOP;
        st.global.u32 [%rd0], %r2;
        """, 7)]
    public void Registers_that_are_needed_at_once_are_counted(string instructions, int expected) =>
        Assert.Equal(expected, PtxRegisterEstimate.Of(Kernel(instructions)));

    [Fact]
    public void An_instruction_that_is_not_known_is_refused_by_its_text() =>
        Assert.Contains("add.sat.s32", Assert.Throws<FormatException>(() => Run(32, "add.sat.s32 %r0, 1, 2;")).Message, StringComparison.Ordinal);

    // One group runs instructions with the address of its results in %rd0; another run with another order of warps gives the same.
    private static unsafe uint[] Run(int threads, string instructions, int words = 0)
    {
        var kernel = new PtxKernel(Kernel(instructions));
        var results = new uint[2][];
        uint* memory = (uint*)NativeMemory.AlignedAlloc((nuint)(Math.Max(threads, words) * sizeof(uint)), 256);
        try
        {
            var allocated = new PtxGlobalMemory([((long)memory, Math.Max(threads, words) * sizeof(uint))]);
            byte[] parameters = BitConverter.GetBytes((long)memory);
            for (int i = 0; i < 2; i++)
            {
                new Span<uint>(memory, Math.Max(threads, words)).Clear();
                kernel.Run(new PtxLaunch(new PtxGrid(1, 1, 1), threads, 0, parameters, allocated, (ulong)i));
                results[i] = new Span<uint>(memory, threads).ToArray();
            }
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }

        Assert.Equal(results[0], results[1]);
        return results[0];
    }

    private static string Kernel(string instructions) => $$"""
        .version 8.0
        .target sm_90
        .address_size 64
        .visible .entry Kernel_Test(.param .b64 results)
        {
        .shared .align 16 .b8 buffer[2048];
        .reg .pred %p<4>;
        .reg .b32 %r<40>;
        .reg .f32 %f<20>;
        .reg .b64 %rd<10>;
        ld.param.b64 %rd0, [results];
        {{instructions}}
        ret;
        }
        """;
}
