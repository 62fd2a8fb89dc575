namespace Steer.Kernels.Host.CodeGen;

/// <summary>Where machine code finds the fields of <see cref="AttentionTileArgs"/>, in bytes from its start.</summary>
internal static unsafe class AttentionField
{
    static AttentionField()
    {
        AttentionTileArgs args = default;
        byte* start = (byte*)&args;
        Blocks = (int)((byte*)args.Blocks - start);
        Next = (int)((byte*)args.Next - start);
        X = (int)((byte*)&args.X - start);
        Y = (int)((byte*)&args.Y - start);
        Count = (int)((byte*)&args.Count - start);
        Extent = (int)((byte*)&args.Extent - start);
        Offset = (int)((byte*)&args.Offset - start);
        Column = (int)((byte*)&args.Column - start);
        Carry = (int)((byte*)&args.Carry - start);
        Block = (int)((byte*)&args.Block - start);
    }

    public static int Blocks { get; }

    public static int Next { get; }

    public static int X { get; }

    public static int Y { get; }

    public static int Count { get; }

    public static int Extent { get; }

    public static int Offset { get; }

    public static int Column { get; }

    public static int Carry { get; }

    public static int Block { get; }
}
