namespace Steer.Kernels.Tests.Ptx;

/// <summary>A parameter, or a piece of shared or local memory.</summary>
/// <param name="Name">What instructions call it.</param>
/// <param name="Alignment">Its address is a multiple of this many bytes.</param>
/// <param name="Bytes">Its size; 0 for dynamic shared memory, whose size a launch decides.</param>
internal sealed record PtxVariable(string Name, int Alignment, int Bytes);

/// <summary>One instruction as it stands in the text.</summary>
/// <param name="Line">Line of the text, from 1.</param>
/// <param name="Guard">The predicate under which it is done, or null.</param>
/// <param name="GuardNegated">It is done where the predicate is false.</param>
/// <param name="Mnemonic">The instruction with its modifiers and types.</param>
/// <param name="Operands">In their order; a vector or an address is one.</param>
internal sealed record PtxStatement(int Line, string? Guard, bool GuardNegated, string Mnemonic, IReadOnlyList<string> Operands)
{
    public override string ToString() =>
        $"{(Guard is null ? "" : $"@{(GuardNegated ? "!" : "")}{Guard} ")}{Mnemonic} {string.Join(", ", Operands)}".TrimEnd();

    /// <summary>The registers of a vector operand, or the one operand.</summary>
    public static string[] Elements(string operand) => operand.StartsWith('{')
        ? operand[1..^1].Split(',', StringSplitOptions.TrimEntries)
        : [operand];
}

/// <summary>The entry of a module of PTX: what it declares, and its instructions.</summary>
internal sealed class PtxEntry
{
    public required string Name { get; init; }

    public List<PtxVariable> Parameters { get; } = [];

    public List<PtxVariable> Shared { get; } = [];

    public List<PtxVariable> Local { get; } = [];

    /// <summary>Types of declared registers by name; of those that are numbered, by the name before the number and '&lt;'.</summary>
    public Dictionary<string, string> Registers { get; } = [];

    public List<PtxStatement> Statements { get; } = [];

    /// <summary>The statement that follows each label.</summary>
    public Dictionary<string, int> Labels { get; } = [];

    /// <summary>The declared type of a register, without its dot; null for what is none.</summary>
    public string? TypeOf(string register) =>
        Registers.TryGetValue(register, out string? type) || Registers.TryGetValue($"{register.TrimEnd("0123456789".ToCharArray())}<", out type) ? type : null;
}
