using System.Numerics;
using static Steer.Kernels.Tests.Ptx.Comparisons;
using static Steer.Kernels.Tests.Ptx.Scalars;
using static Steer.Kernels.Tests.Ptx.Vectors;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>From statements to operations: a table of mnemonics, and families that are told by their first word. What is in neither is refused.</summary>
internal sealed class PtxDecoder(PtxFrame frame, PtxParameterLayout parameters)
{
    private static readonly Dictionary<string, Func<PtxStatement, PtxFrame, PtxOperation>> Table = CreateTable();

    /// <exception cref="FormatException">Nothing is known of this instruction.</exception>
    public PtxOperation Decode(PtxStatement statement)
    {
        string[] parts = statement.Mnemonic.Split('.');
        if (PtxLayout.IsJump(statement))
            return new FlowOperation(statement, frame, PtxFlow.Branch);
        if (PtxLayout.IsExit(statement))
            return new FlowOperation(statement, frame, PtxFlow.Exit);
        if (parts[0] == "mov" && statement.Operands.Any(o => o.StartsWith('{')))
            return new PackOperation(statement, frame);
        if (Table.TryGetValue(statement.Mnemonic, out var known))
            return known(statement, frame);
        return parts[0] switch
        {
            "ld" when parts[1] == "param" => new ParameterOperation(statement, frame, parameters),
            "ld" or "st" => new AccessOperation(statement, frame),
            "cvta" => new AddressOperation(statement, frame),
            "cvt" => PtxConversions.Create(statement, frame),
            "setp" => Comparison(statement, parts),
            "atom" or "red" => PtxAtomics.Create(statement, frame),
            "shfl" => new ShuffleOperation(statement, frame),
            "vote" or "match" or "redux" => new VoteOperation(statement, frame),
            "bar" or "barrier" => Barrier(statement, parts),
            "mma" => new MatrixOperation(statement, frame),
            "ldmatrix" => new LoadMatrixOperation(statement, frame),
            "cp" => Copy(statement, parts),
            "prefetch" => new PrefetchOperation(statement, frame),
            "griddepcontrol" => new LaunchOrderOperation(statement, frame),
            "membar" or "fence" => new FlowOperation(statement, frame, PtxFlow.Straight),
            _ => throw new FormatException($"line {statement.Line}: {statement}: no such instruction is known here"),
        };
    }

    private PtxOperation Barrier(PtxStatement statement, string[] parts) => parts switch
    {
        ["bar", "warp", "sync"] => new WarpBarrier(statement, frame),
        ["bar" or "barrier", "sync", ..] or ["bar" or "barrier", "cta", "sync", ..] => new PtxBarrier(statement, frame),
        _ => throw new FormatException($"line {statement.Line}: {statement}: no such barrier is known here"),
    };

    private PtxOperation Copy(PtxStatement statement, string[] parts) => parts switch
    {
        ["cp", "async", "ca" or "cg", "shared" or "shared::cta", "global", ..] => new CopyOperation(statement, frame),
        ["cp", "async", "commit_group" or "wait_group" or "wait_all"] => new CopyStageOperation(statement, frame),
        _ => throw new FormatException($"line {statement.Line}: {statement}: no such copy is known here"),
    };

    private PtxOperation Comparison(PtxStatement statement, string[] parts) => parts[^1] switch
    {
        "f32" => FloatComparison<float>(statement, parts[1]),
        "f64" => FloatComparison<double>(statement, parts[1]),
        "s32" => IntegerComparison<int>(statement, parts[1]),
        "u32" or "b32" => IntegerComparison<uint>(statement, parts[1]),
        "s64" => IntegerComparison<long>(statement, parts[1]),
        "u64" or "b64" => IntegerComparison<ulong>(statement, parts[1]),
        _ => throw new FormatException($"line {statement.Line}: {statement}: no such comparison is known here"),
    };

    private PtxOperation IntegerComparison<T>(PtxStatement statement, string relation)
        where T : unmanaged => relation switch
        {
            "eq" => new CompareOperation<T, Equal<T>>(statement, frame, opposite: false),
            "ne" => new CompareOperation<T, Equal<T>>(statement, frame, opposite: true),
            "lt" or "lo" => new CompareOperation<T, Less<T>>(statement, frame, opposite: false),
            "le" or "ls" => new CompareOperation<T, LessOrEqual<T>>(statement, frame, opposite: false),
            "gt" or "hi" => new CompareOperation<T, Greater<T>>(statement, frame, opposite: false),
            "ge" or "hs" => new CompareOperation<T, GreaterOrEqual<T>>(statement, frame, opposite: false),
            _ => throw new FormatException($"line {statement.Line}: {statement}: no such comparison is known here"),
        };

    // Those that end in u hold where an operand is NaN: they are the opposites of the others.
    private PtxOperation FloatComparison<T>(PtxStatement statement, string relation)
        where T : unmanaged => relation switch
        {
            "ne" => new CompareOperation<T, Unequal<T>>(statement, frame, opposite: false),
            "num" => new CompareOperation<T, Ordered<T>>(statement, frame, opposite: false),
            "nan" => new CompareOperation<T, Ordered<T>>(statement, frame, opposite: true),
            "equ" => new CompareOperation<T, Unequal<T>>(statement, frame, opposite: true),
            "neu" => new CompareOperation<T, Equal<T>>(statement, frame, opposite: true),
            "ltu" => new CompareOperation<T, GreaterOrEqual<T>>(statement, frame, opposite: true),
            "leu" => new CompareOperation<T, Greater<T>>(statement, frame, opposite: true),
            "gtu" => new CompareOperation<T, LessOrEqual<T>>(statement, frame, opposite: true),
            "geu" => new CompareOperation<T, Less<T>>(statement, frame, opposite: true),
            _ => IntegerComparison<T>(statement, relation),
        };

    private static Dictionary<string, Func<PtxStatement, PtxFrame, PtxOperation>> CreateTable()
    {
        Dictionary<string, Func<PtxStatement, PtxFrame, PtxOperation>> table = [];
        foreach (string type in new[] { "b32", "u32", "s32", "f32" })
            table[$"mov.{type}"] = (s, f) => new UnaryOperation<uint, Copy<uint>>(s, f);
        foreach (string type in new[] { "b64", "u64", "s64", "f64" })
            table[$"mov.{type}"] = (s, f) => new UnaryOperation<ulong, Copy<ulong>>(s, f);
        foreach (string type in new[] { "b32", "f32", "u32", "s32" })
            table[$"selp.{type}"] = (s, f) => new SelectOperation<uint>(s, f);
        foreach (string type in new[] { "b64", "f64", "u64", "s64" })
            table[$"selp.{type}"] = (s, f) => new SelectOperation<ulong>(s, f);
        AddIntegers<int, long>(table, "s32", "s64");
        AddIntegers<uint, ulong>(table, "u32", "u64");
        AddIntegers<long, long>(table, "s64", null);
        AddIntegers<ulong, ulong>(table, "u64", null);
        AddBits<uint>(table, "32");
        AddBits<ulong>(table, "64");
        AddFloats<float>(table, "f32");
        AddFloats<double>(table, "f64");
        table["fma.rn.f32"] = (s, f) => new TernaryOperation<float, Fused<float>>(s, f);
        table["fma.rn.f64"] = (s, f) => new TernaryOperation<double, Fused<double>>(s, f);
        // What PtxContraction makes of products in a difference.
        table["fms.rn.f32"] = (s, f) => new TernaryOperation<float, FusedLess<float>>(s, f);
        table["fms.rn.f64"] = (s, f) => new TernaryOperation<double, FusedLess<double>>(s, f);
        table["fnma.rn.f32"] = (s, f) => new TernaryOperation<float, FusedFrom<float>>(s, f);
        table["fnma.rn.f64"] = (s, f) => new TernaryOperation<double, FusedFrom<double>>(s, f);
        AddPredicates(table);
        AddConversions(table);
        foreach ((string name, int[] bytes, Func<ulong, ulong, ulong, ulong> function) in PtxRareInstructions.All)
            table[name] = (s, f) => new LaneOperation(s, f, bytes, function);
        table["testp.finite.f32"] = (s, f) => new TestOperation(s, f, float.IsFinite);
        table["testp.infinite.f32"] = (s, f) => new TestOperation(s, f, float.IsInfinity);
        table["testp.notanumber.f32"] = (s, f) => new TestOperation(s, f, float.IsNaN);
        return table;
    }

    private static void AddIntegers<T, TWide>(
        Dictionary<string, Func<PtxStatement, PtxFrame, PtxOperation>> table, string type, string? wide)
        where T : unmanaged, IBinaryInteger<T>
        where TWide : unmanaged, IBinaryInteger<TWide>
    {
        table[$"add.{type}"] = (s, f) => new BinaryOperation<T, Add<T>>(s, f);
        table[$"sub.{type}"] = (s, f) => new BinaryOperation<T, Subtract<T>>(s, f);
        table[$"mul.lo.{type}"] = (s, f) => new BinaryOperation<T, Multiply<T>>(s, f);
        table[$"mad.lo.{type}"] = (s, f) => new TernaryOperation<T, MultiplyAdd<T>>(s, f);
        table[$"min.{type}"] = (s, f) => new BinaryOperation<T, Min<T>>(s, f);
        table[$"max.{type}"] = (s, f) => new BinaryOperation<T, Max<T>>(s, f);
        table[$"neg.{type}"] = (s, f) => new UnaryOperation<T, Negate<T>>(s, f);
        table[$"abs.{type}"] = (s, f) => new UnaryOperation<T, Absolute<T>>(s, f);
        table[$"div.{type}"] = (s, f) => new PairOperation<T, T, Quotient<T>>(s, f);
        table[$"rem.{type}"] = (s, f) => new PairOperation<T, T, Remainder<T>>(s, f);
        table[$"shr.{type}"] = (s, f) => new ShiftOperation<T>(s, f, left: false);
        if (wide is not null)
            table[$"mul.wide.{type}"] = (s, f) => new PairOperation<T, TWide, Multiply<T, TWide>>(s, f);
    }

    private static void AddBits<T>(Dictionary<string, Func<PtxStatement, PtxFrame, PtxOperation>> table, string bits)
        where T : unmanaged, IBinaryInteger<T>
    {
        table[$"and.b{bits}"] = (s, f) => new BinaryOperation<T, And<T>>(s, f);
        table[$"or.b{bits}"] = (s, f) => new BinaryOperation<T, Or<T>>(s, f);
        table[$"xor.b{bits}"] = (s, f) => new BinaryOperation<T, Xor<T>>(s, f);
        table[$"not.b{bits}"] = (s, f) => new UnaryOperation<T, Not<T>>(s, f);
        foreach (string type in new[] { "b", "u", "s" })
            table[$"shl.{type}{bits}"] = (s, f) => new ShiftOperation<T>(s, f, left: true);
        table[$"shr.b{bits}"] = (s, f) => new ShiftOperation<T>(s, f, left: false);
    }

    private static void AddFloats<T>(Dictionary<string, Func<PtxStatement, PtxFrame, PtxOperation>> table, string type)
        where T : unmanaged, INumber<T>
    {
        foreach (string rounding in new[] { "", ".rn" })
        {
            table[$"add{rounding}.{type}"] = (s, f) => new BinaryOperation<T, Add<T>>(s, f);
            table[$"sub{rounding}.{type}"] = (s, f) => new BinaryOperation<T, Subtract<T>>(s, f);
            table[$"mul{rounding}.{type}"] = (s, f) => new BinaryOperation<T, Multiply<T>>(s, f);
        }

        table[$"div.rn.{type}"] = (s, f) => new BinaryOperation<T, Divide<T>>(s, f);
        table[$"sqrt.rn.{type}"] = (s, f) => new UnaryOperation<T, SquareRoot<T>>(s, f);
        table[$"rcp.rn.{type}"] = (s, f) => new UnaryOperation<T, Reciprocal<T>>(s, f);
        table[$"min.{type}"] = (s, f) => new BinaryOperation<T, Min<T>>(s, f);
        table[$"max.{type}"] = (s, f) => new BinaryOperation<T, Max<T>>(s, f);
        table[$"neg.{type}"] = (s, f) => new UnaryOperation<T, Negate<T>>(s, f);
        table[$"abs.{type}"] = (s, f) => new UnaryOperation<T, Absolute<T>>(s, f);
    }

    private static void AddPredicates(Dictionary<string, Func<PtxStatement, PtxFrame, PtxOperation>> table)
    {
        table["mov.pred"] = (s, f) => new PredicateOperation(s, f, (a, _) => a);
        table["not.pred"] = (s, f) => new PredicateOperation(s, f, (a, _) => ~a);
        table["and.pred"] = (s, f) => new PredicateOperation(s, f, (a, b) => a & b);
        table["or.pred"] = (s, f) => new PredicateOperation(s, f, (a, b) => a | b);
        table["xor.pred"] = (s, f) => new PredicateOperation(s, f, (a, b) => a ^ b);
    }

    // The frequent ones; all others are put together from their modifiers.
    private static void AddConversions(Dictionary<string, Func<PtxStatement, PtxFrame, PtxOperation>> table)
    {
        table["cvt.s64.s32"] = (s, f) => new ConversionOperation<int, long, SignExtend>(s, f);
        table["cvt.u64.u32"] = (s, f) => new ConversionOperation<uint, ulong, ZeroExtend>(s, f);
        table["cvt.s32.s64"] = table["cvt.u32.u64"] = (s, f) => new ConversionOperation<ulong, uint, Truncate>(s, f);
        table["cvt.rn.f32.s32"] = (s, f) => new ConversionOperation<int, float, IntToFloat>(s, f);
        table["cvt.rn.f64.s32"] = (s, f) => new ConversionOperation<int, double, IntToDouble>(s, f);
        table["cvt.f64.f32"] = (s, f) => new ConversionOperation<float, double, FloatToDouble>(s, f);
        table["cvt.rn.f32.f64"] = (s, f) => new ConversionOperation<double, float, DoubleToFloat>(s, f);
        table["cvt.rzi.s32.f32"] = (s, f) => new ConversionOperation<float, int, FloatToInt>(s, f);
    }
}
