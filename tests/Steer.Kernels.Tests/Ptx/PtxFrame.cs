using System.Globalization;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>
/// Where a warp keeps what instructions name: units of 32 lanes x 4 bytes, two of them for 64 bits. A predicate is one word, a bit for each lane. Constants and
/// special registers have units too, so that an operand is a unit whatever it is.
/// </summary>
internal sealed class PtxFrame
{
    /// <summary>Bytes of a unit.</summary>
    public const int UnitBytes = PtxWarp.Lanes * 4;

    /// <summary>The unit of zeros, which stands for an operand that is not there.</summary>
    public const int None = 0;

    private readonly PtxEntry _entry;
    private readonly Dictionary<string, int> _registers = [];
    private readonly Dictionary<(ulong Bits, int Bytes), int> _constants = [];

    public PtxFrame(PtxEntry entry)
    {
        _entry = entry;
        Constant(0, 8);
        int shared = 0;
        foreach (PtxVariable variable in entry.Shared.OrderBy(v => v.Bytes == 0))
        {
            // A card lays them out as it likes; none may count on its place.
            shared = Align(shared, Math.Max(16, variable.Alignment));
            Symbols.Add(variable.Name, PtxSpaces.SharedBase + (ulong)shared);
            shared += variable.Bytes;
        }

        SharedBytes = shared;
        foreach (PtxVariable variable in entry.Local)
        {
            LocalBytes = Align(LocalBytes, Math.Max(16, variable.Alignment));
            Symbols.Add(variable.Name, PtxSpaces.LocalBase + (ulong)LocalBytes);
            LocalBytes += variable.Bytes;
        }
    }

    /// <summary>Units that are taken.</summary>
    public int Units { get; private set; }

    /// <summary>Static shared memory of a group.</summary>
    public int SharedBytes { get; }

    /// <summary>Local memory of a thread.</summary>
    public int LocalBytes { get; }

    /// <summary>Addresses of variables in their own space.</summary>
    public Dictionary<string, ulong> Symbols { get; } = [];

    /// <summary>Special registers that are read, and their units.</summary>
    public Dictionary<string, int> Specials { get; } = [];

    /// <summary>Constants and their units.</summary>
    public IEnumerable<(int Unit, ulong Bits, int Bytes)> Constants => _constants.Select(c => (c.Value, c.Key.Bits, c.Key.Bytes));

    /// <summary>The unit of a register, constant, special register or address of a variable that is read as <paramref name="bytes"/> (1: a predicate).</summary>
    public int Unit(string operand, int bytes)
    {
        if (_entry.TypeOf(operand) is { } type)
            return Register(operand, type, bytes);
        if (operand is "%sink4" or "%sink8")
            return Register(operand, operand == "%sink8" ? "b64" : "b32", bytes);
        if (operand.StartsWith('%'))
            return Special(operand);
        if (Symbols.TryGetValue(operand, out ulong address))
            return Constant(address, bytes);
        return Constant(Parse(operand, bytes), bytes);
    }

    /// <summary>The value of a constant operand.</summary>
    public bool TryConstant(string operand, int bytes, out ulong bits)
    {
        bits = 0;
        if (operand.StartsWith('%') || _entry.TypeOf(operand) is not null || Symbols.ContainsKey(operand))
            return false;
        bits = Parse(operand, bytes);
        return true;
    }

    /// <summary>Bytes of an operand: 8 of a wide register, else 4.</summary>
    public int WidthOf(string operand) => _entry.TypeOf(operand) is "b64" or "u64" or "s64" or "f64" || operand.StartsWith("0d", StringComparison.Ordinal) ? 8 : 4;

    /// <summary>What a unit is called.</summary>
    public string NameOf(int unit) => _registers.First(r => r.Value == unit).Key;

    private static int Align(int offset, int alignment) => (offset + alignment - 1) / alignment * alignment;

    private static ulong Parse(string text, int bytes)
    {
        if (text.StartsWith("0f", StringComparison.OrdinalIgnoreCase) || text.StartsWith("0d", StringComparison.OrdinalIgnoreCase))
        {
            ulong bits = ulong.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            return (char.ToLowerInvariant(text[1]), bytes) is ('f', 4) or ('d', 8)
                ? bits
                : throw new FormatException($"{text} is no operand of {bytes} bytes.");
        }

        bool negative = text.StartsWith('-');
        string digits = text.TrimStart('-').TrimEnd('U');
        ulong magnitude = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.Parse(digits.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)
            : ulong.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        ulong value = negative ? 0 - magnitude : magnitude;
        return bytes switch
        {
            1 => value == 0 ? 0 : uint.MaxValue,
            8 => value,
            _ => (uint)value,
        };
    }

    private int Constant(ulong bits, int bytes)
    {
        if (!_constants.TryGetValue((bits, bytes), out int unit))
            _constants.Add((bits, bytes), unit = Take(bytes));
        return unit;
    }

    private int Register(string name, string type, int bytes)
    {
        int own = type switch { "pred" => 1, "b64" or "u64" or "s64" or "f64" => 8, "b128" => throw new FormatException(type), _ => 4 };
        if (own != bytes && !(own > bytes && bytes == 2))
            throw new FormatException($"{name} is a register of type {type} where {bytes} bytes are needed.");
        if (!_registers.TryGetValue(name, out int unit))
            _registers.Add(name, unit = Take(own));
        return unit;
    }

    private int Special(string name)
    {
        if (!Specials.TryGetValue(name, out int unit))
            Specials.Add(name, unit = Take(4));
        return unit;
    }

    private int Take(int bytes)
    {
        int unit = Units;
        Units += bytes == 8 ? 2 : 1;
        return unit;
    }
}
