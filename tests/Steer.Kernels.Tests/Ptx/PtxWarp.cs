using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>The registers of a warp, and which of its lanes do the present operation. How its lanes part and meet again is in PtxWarp.Flow.cs.</summary>
internal sealed unsafe partial class PtxWarp : IDisposable
{
    /// <summary>Threads of a warp.</summary>
    public const int Lanes = 32;

    private const int MaskBytes = Lanes * (sizeof(int) + sizeof(long));

    private readonly PtxKernel _kernel;
    private readonly byte* _memory;
    private readonly byte* _registers;
    private readonly int* _mask32;
    private readonly long* _mask64;
    private readonly uint[] _written;
    private readonly uint[] _writtenAtStart;
    private uint _maskOf;

    public PtxWarp(PtxKernel kernel, PtxGroup group, int index)
    {
        _kernel = kernel;
        Group = group;
        Index = index;
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)(MaskBytes + (kernel.Frame.Units * PtxFrame.UnitBytes)), 64);
        _mask32 = (int*)_memory;
        _mask64 = (long*)(_memory + (Lanes * sizeof(int)));
        _registers = _memory + MaskBytes;
        _written = new uint[kernel.Frame.Units];
        _writtenAtStart = new uint[kernel.Frame.Units];
        foreach ((int unit, ulong bits, int bytes) in kernel.Frame.Constants)
        {
            if (bytes == 8)
                new Span<ulong>(Unit<ulong>(unit), Lanes).Fill(bits);
            else
                Fill(unit, (uint)bits);
            _writtenAtStart[unit] = uint.MaxValue;
        }

        foreach (int unit in kernel.Frame.Specials.Values)
            _writtenAtStart[unit] = uint.MaxValue;
        SetActive(0);
    }

    public PtxGroup Group { get; }

    /// <summary>This warp in its group.</summary>
    public int Index { get; }

    /// <summary>Lanes that do the present operation, a bit each.</summary>
    public uint Active { get; private set; }

    /// <summary>What a unit holds for each lane.</summary>
    public T* Unit<T>(int unit)
        where T : unmanaged => (T*)(_registers + ((nint)unit * PtxFrame.UnitBytes));

    /// <summary>A predicate, a bit for each lane.</summary>
    public ref uint Predicate(int unit) => ref *Unit<uint>(unit);

    /// <summary>Sets a predicate of the active lanes.</summary>
    public void SetPredicate(int unit, uint value)
    {
        ref uint predicate = ref Predicate(unit);
        predicate = (predicate & ~Active) | (value & Active);
    }

    /// <summary>All bits of an element where the lane is active.</summary>
    public T* Mask<T>()
        where T : unmanaged => (T*)(sizeof(T) == 8 ? (void*)_mask64 : _mask32);

    /// <summary>The fault of an active lane at the present operation.</summary>
    public PtxFaultException Fault(int lane, string message)
    {
        PtxStatement statement = _kernel.Operations[_pc].Statement;
        return new PtxFaultException($"{_kernel.Name}, line {statement.Line}: {statement}: {message} ({Group.Describe((Index * Lanes) + lane)})");
    }

    /// <summary>As <see cref="Fault(int, string)"/>, of the first active lane.</summary>
    public PtxFaultException Fault(string message) => Fault(BitOperations.TrailingZeroCount(Active), message);

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    private void Fill(int unit, uint value) => new Span<uint>(Unit<uint>(unit), Lanes).Fill(value);

    // Readies the registers for a group; those that are not written stay as the last group left them, which a read finds out.
    private void ResetRegisters(uint lanes)
    {
        _writtenAtStart.CopyTo(_written.AsSpan());
        ResetOrder();
        foreach ((string name, int unit) in _kernel.Frame.Specials)
        {
            uint* values = Unit<uint>(unit);
            for (int lane = 0; lane < Lanes; lane++)
                values[lane] = Group.Special(name, (Index * Lanes) + lane);
        }

        SetActive(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void SetActive(uint lanes)
    {
        Active = lanes;
        if (_maskOf != lanes)
            SpreadMask(lanes);
    }

    private void SpreadMask(uint lanes)
    {
        _maskOf = lanes;
        for (int i = 0; i < Lanes; i += 8)
        {
            Vector256<int> bits = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128);
            Vector256<int> mask = Vector256.Equals(Vector256.Create((int)(lanes >> i)) & bits, bits);
            mask.StoreAligned(_mask32 + i);
            (Vector256<long> low, Vector256<long> high) = Vector256.Widen(mask);
            low.StoreAligned(_mask64 + i);
            high.StoreAligned(_mask64 + i + 4);
        }
    }
}
