using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>An operand [register + offset].</summary>
internal readonly unsafe struct PtxAddress
{
    private readonly int _base;
    private readonly ulong _offset;

    /// <param name="operand">The text.</param>
    /// <param name="read">Notes that a register of so many bytes is read, and gives its unit.</param>
    public PtxAddress(string operand, Func<string, int, int> read)
    {
        string inner = operand.StartsWith('[') ? operand[1..^1] : operand;
        int sign = inner.LastIndexOf('+');
        if (sign > 0)
        {
            _offset = (ulong)long.Parse(inner.AsSpan(sign + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            inner = inner[..sign];
        }

        _base = read(inner.Trim(), 8);
    }

    public ulong this[PtxWarp warp, int lane] => warp.Unit<ulong>(_base)[lane] + _offset;
}

/// <summary>ld and st of global, shared, local and generic addresses, alone or by vectors. Orders and caches make no difference here.</summary>
internal sealed unsafe class AccessOperation : PtxOperation
{
    private static readonly string[] Ignored =
        ["volatile", "weak", "relaxed", "acquire", "release", "gpu", "sys", "cta", "ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "global", "shared", "local"];

    private readonly bool _store;
    private readonly PtxSpace _space;
    private readonly int _size;
    private readonly bool _signed;
    private readonly int _width = 4;
    private readonly PtxAddress _address;
    private readonly int[] _elements;

    public AccessOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        string[] parts = statement.Mnemonic.Split('.', StringSplitOptions.RemoveEmptyEntries);
        _store = parts[0] == "st";
        _space = PtxSpaces.Of(parts);
        int vector = 1;
        foreach (string part in parts[1..^1])
        {
            if (part is ['v', var n])
                vector = n - '0';
            else if (!Ignored.Contains(part.Split("::")[0]) && !part.StartsWith("L1::", StringComparison.Ordinal) && !part.StartsWith("L2::", StringComparison.Ordinal))
                throw new FormatException($"{statement}: .{part} is not known");
        }

        _size = int.Parse(parts[^1].AsSpan(1), CultureInfo.InvariantCulture) / 8;
        _signed = parts[^1][0] == 's';
        int values = _store ? 1 : 0;
        _width = PtxStatement.Elements(statement.Operands[values]).Max(frame.WidthOf);
        _address = new PtxAddress(statement.Operands[1 - values], Read);
        _elements = _store ? Sources(values, _width) : Destinations(values, _width);
        if (_elements.Length != vector || _width < _size)
            throw new FormatException($"{statement}: registers do not fit");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(PtxWarp warp)
    {
        int bytes = _size * _elements.Length;
        PtxAccessKind kind = _store ? PtxAccessKind.Write : PtxAccessKind.Read;
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            byte* place = warp.Locate(lane, _space, _address[warp, lane], bytes, kind);
            foreach (int element in _elements)
            {
                if (_size == 4 && _width == 4 && !_store)
                    warp.Unit<uint>(element)[lane] = *(uint*)place;
                else if (_store)
                    Store(warp, element, lane, place);
                else
                    Load(warp, element, lane, place);
                place += _size;
            }
        }
    }

    private void Load(PtxWarp warp, int element, int lane, byte* place)
    {
        ulong value = (_size, _signed) switch
        {
            (1, true) => (ulong)*(sbyte*)place,
            (1, false) => *place,
            (2, true) => (ulong)*(short*)place,
            (2, false) => *(ushort*)place,
            (4, true) => (ulong)*(int*)place,
            (4, false) => *(uint*)place,
            _ => *(ulong*)place,
        };
        if (_width == 8)
            warp.Unit<ulong>(element)[lane] = value;
        else
            warp.Unit<uint>(element)[lane] = (uint)value;
    }

    private void Store(PtxWarp warp, int element, int lane, byte* place)
    {
        ulong value = _width == 8 ? warp.Unit<ulong>(element)[lane] : warp.Unit<uint>(element)[lane];
        switch (_size)
        {
            case 1:
                *place = (byte)value;
                break;
            case 2:
                *(ushort*)place = (ushort)value;
                break;
            case 4:
                *(uint*)place = (uint)value;
                break;
            default:
                *(ulong*)place = value;
                break;
        }
    }
}

/// <summary>ld.param: a piece of the kernel's parameters, the same for all threads.</summary>
internal sealed unsafe class ParameterOperation : PtxOperation
{
    private readonly int _offset;
    private readonly int _size;
    private readonly int[] _elements;

    public ParameterOperation(PtxStatement statement, PtxFrame frame, PtxParameterLayout layout)
        : base(statement, frame)
    {
        _size = int.Parse(statement.Mnemonic.AsSpan(statement.Mnemonic.LastIndexOf('.') + 2), CultureInfo.InvariantCulture) / 8;
        string[] address = statement.Operands[1][1..^1].Split('+');
        _offset = layout.Offset(address[0].Trim()) + (address.Length > 1 ? int.Parse(address[1], CultureInfo.InvariantCulture) : 0);
        _elements = Destinations(0, Math.Max(4, _size));
    }

    public override void Execute(PtxWarp warp)
    {
        ReadOnlySpan<byte> parameters = warp.Group.Launch.Parameters;
        for (int i = 0; i < _elements.Length; i++)
        {
            ulong value = 0;
            parameters.Slice(_offset + (i * _size), _size).CopyTo(new Span<byte>(&value, sizeof(ulong)));
            for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
            {
                int lane = BitOperations.TrailingZeroCount(lanes);
                if (_size == 8)
                    warp.Unit<ulong>(_elements[i])[lane] = value;
                else
                    warp.Unit<uint>(_elements[i])[lane] = (uint)value;
            }
        }
    }
}

/// <summary>cvta: an address of a space as a generic one, and back.</summary>
internal sealed unsafe class AddressOperation : PtxOperation
{
    private readonly int _d;
    private readonly int _a;
    private readonly PtxSpace _space;
    private readonly bool _to;

    public AddressOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        string[] parts = statement.Mnemonic.Split('.');
        (_d, _a, _space, _to) = (Destination(0, 8), Source(1, 8), PtxSpaces.Of(parts), parts[1] == "to");
    }

    public override void Execute(PtxWarp warp)
    {
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            ulong address = warp.Unit<ulong>(_a)[lane], other = address;
            if (!_to)
                address += PtxSpaces.Window(_space);
            else if (PtxSpaces.Resolve(ref other) == _space)
                address = other;
            else
                throw warp.Fault(lane, $"0x{address:x} is no address of {_space} memory");
            warp.Unit<ulong>(_d)[lane] = address;
        }
    }
}

/// <summary>atom and red: read, change and write with no other between.</summary>
internal sealed unsafe class AtomicOperation : PtxOperation
{
    private static readonly Lock Memory = new();

    private readonly int _d = -1;
    private readonly PtxSpace _space;
    private readonly int _bytes;
    private readonly PtxAddress _address;
    private readonly int _b;
    private readonly int _c;
    private readonly Func<ulong, ulong, ulong, ulong> _function;

    public AtomicOperation(PtxStatement statement, PtxFrame frame, int bytes, Func<ulong, ulong, ulong, ulong> function)
        : base(statement, frame)
    {
        string[] parts = statement.Mnemonic.Split('.');
        int first = parts[0] == "atom" ? 1 : 0;
        (_space, _bytes, _function) = (PtxSpaces.Of(parts), bytes, function);
        if (first == 1)
            _d = Destination(0, bytes);
        _address = new PtxAddress(statement.Operands[first], Read);
        _b = Source(first + 1, bytes);
        _c = statement.Operands.Count > first + 2 ? Source(first + 2, bytes) : PtxFrame.None;
    }

    public override void Execute(PtxWarp warp)
    {
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            byte* place = warp.Locate(lane, _space, _address[warp, lane], _bytes, PtxAccessKind.Atomic);
            lock (Memory)
            {
                if (_bytes == 8)
                {
                    ulong old = *(ulong*)place;
                    *(ulong*)place = _function(old, warp.Unit<ulong>(_b)[lane], warp.Unit<ulong>(_c)[lane]);
                    if (_d >= 0)
                        warp.Unit<ulong>(_d)[lane] = old;
                }
                else
                {
                    uint old = *(uint*)place;
                    *(uint*)place = (uint)_function(old, warp.Unit<uint>(_b)[lane], warp.Unit<uint>(_c)[lane]);
                    if (_d >= 0)
                        warp.Unit<uint>(_d)[lane] = old;
                }
            }
        }
    }
}
