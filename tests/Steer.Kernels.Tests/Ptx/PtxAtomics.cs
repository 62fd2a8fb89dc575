namespace Steer.Kernels.Tests.Ptx;

/// <summary>What atom and red do to a word of memory.</summary>
internal static class PtxAtomics
{
    public static PtxOperation Create(PtxStatement statement, PtxFrame frame)
    {
        string[] parts = statement.Mnemonic.Split('.');
        string type = parts[^1], action = parts.First(p => p is "add" or "and" or "or" or "xor" or "exch" or "cas" or "min" or "max" or "inc" or "dec");
        return new AtomicOperation(statement, frame, type.EndsWith("64", StringComparison.Ordinal) ? 8 : 4, (action, type) switch
        {
            ("add", "u32" or "s32" or "u64" or "s64") => (old, b, _) => old + b,
            ("add", "f32") => (old, b, _) => BitConverter.SingleToUInt32Bits(
                BitConverter.UInt32BitsToSingle((uint)old) + BitConverter.UInt32BitsToSingle((uint)b)),
            ("add", "f64") => (old, b, _) => BitConverter.DoubleToUInt64Bits(BitConverter.UInt64BitsToDouble(old) + BitConverter.UInt64BitsToDouble(b)),
            ("and", _) => (old, b, _) => old & b,
            ("or", _) => (old, b, _) => old | b,
            ("xor", _) => (old, b, _) => old ^ b,
            ("exch", _) => (_, b, _) => b,
            ("cas", _) => (old, b, c) => old == b ? c : old,
            ("min", "u32" or "u64") => (old, b, _) => Math.Min(old, b),
            ("max", "u32" or "u64") => (old, b, _) => Math.Max(old, b),
            ("min", "s32") => (old, b, _) => (uint)Math.Min((int)old, (int)b),
            ("max", "s32") => (old, b, _) => (uint)Math.Max((int)old, (int)b),
            ("min", "s64") => (old, b, _) => (ulong)Math.Min((long)old, (long)b),
            ("max", "s64") => (old, b, _) => (ulong)Math.Max((long)old, (long)b),
            ("inc", "u32") => (old, b, _) => old >= b ? 0 : old + 1,
            ("dec", "u32") => (old, b, _) => old == 0 || old > b ? b : old - 1,
            _ => throw new FormatException($"line {statement.Line}: {statement}: no such change is known here"),
        });
    }
}
