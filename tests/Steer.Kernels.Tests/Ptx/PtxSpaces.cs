namespace Steer.Kernels.Tests.Ptx;

/// <summary>The memory that an instruction names.</summary>
internal enum PtxSpace
{
    /// <summary>Any of the three others, as the address says.</summary>
    Generic,
    Global,
    Shared,
    Local,
}

/// <summary>
/// Addresses. Global ones are the machine's own; shared and local memory begin a little above zero, and have windows among generic addresses where no machine has
/// memory, so that an address taken for one of another space is found out.
/// </summary>
internal static class PtxSpaces
{
    public const ulong SharedBase = 0x400;
    public const ulong LocalBase = 0x10;
    public const ulong SharedWindow = 0x0100_0000_0000_0000;
    public const ulong LocalWindow = 0x0200_0000_0000_0000;

    private const ulong WindowBytes = 1UL << 32;

    /// <summary>The space of a mnemonic's modifiers; generic where they name none.</summary>
    public static PtxSpace Of(IEnumerable<string> modifiers)
    {
        foreach (string modifier in modifiers)
        {
            if (modifier.Split("::")[0] switch { "global" => PtxSpace.Global, "shared" => PtxSpace.Shared, "local" => PtxSpace.Local, _ => PtxSpace.Generic }
                is not PtxSpace.Generic and var space)
                return space;
        }

        return PtxSpace.Generic;
    }

    /// <summary>Where a window among generic addresses begins.</summary>
    public static ulong Window(PtxSpace space) => space switch
    {
        PtxSpace.Shared => SharedWindow,
        PtxSpace.Local => LocalWindow,
        _ => 0,
    };

    /// <summary>The space of a generic address, which becomes one of that space.</summary>
    public static PtxSpace Resolve(ref ulong address)
    {
        foreach (PtxSpace space in (ReadOnlySpan<PtxSpace>)[PtxSpace.Shared, PtxSpace.Local])
        {
            if (address - Window(space) < WindowBytes)
            {
                address -= Window(space);
                return space;
            }
        }

        return PtxSpace.Global;
    }
}
