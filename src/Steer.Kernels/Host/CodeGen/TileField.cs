namespace Steer.Kernels.Host.CodeGen;

/// <summary>Where machine code finds the fields of <see cref="TileArgs"/>, in bytes from its start.</summary>
internal static unsafe class TileField
{
    static TileField()
    {
        TileArgs args = default;
        byte* start = (byte*)&args;
        X = (int)((byte*)&args.X - start);
        Panel = (int)((byte*)&args.Panel - start);
        K = (int)((byte*)&args.K - start);
        Y = (int)((byte*)&args.Y - start);
        Column = (int)((byte*)&args.Column - start);
        Bias = (int)((byte*)&args.Bias - start);
        Carry = (int)((byte*)&args.Carry - start);
        Next = (int)((byte*)&args.Next - start);
        NextBytes = (int)((byte*)&args.NextBytes - start);
    }

    public static int X { get; }

    public static int Panel { get; }

    public static int K { get; }

    public static int Y { get; }

    public static int Column { get; }

    public static int Bias { get; }

    public static int Carry { get; }

    public static int Next { get; }

    public static int NextBytes { get; }
}
