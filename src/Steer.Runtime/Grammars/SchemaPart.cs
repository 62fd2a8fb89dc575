using System.Collections.Immutable;
using System.Text.Json;

namespace Steer.Runtime.Grammars;

/// <summary>Kinds of JSON values.</summary>
[Flags]
internal enum SchemaTypes
{
    /// <summary>No kind.</summary>
    None = 0,

    /// <summary>null</summary>
    Null = 1,

    /// <summary>true and false</summary>
    Boolean = 2,

    /// <summary>Numbers.</summary>
    Number = 4,

    /// <summary>Strings.</summary>
    String = 8,

    /// <summary>Arrays.</summary>
    Array = 16,

    /// <summary>Objects.</summary>
    Object = 32,

    /// <summary>Every kind.</summary>
    All = 63,
}

/// <summary>What is said of strings.</summary>
internal sealed record StringLimits(int MinLength, int MaxLength, ImmutableList<string> Patterns, ImmutableList<string> Formats)
{
    /// <summary>Nothing.</summary>
    public static StringLimits None { get; } = new(0, ByteTerms.Unlimited, [], []);
}

/// <summary>What one schema says of the items of arrays: those at the front, one by one, and the others; null is nothing.</summary>
internal sealed record ArrayShape(ImmutableList<SchemaNode> Prefix, SchemaNode? Items);

/// <summary>What one schema says of the members of objects; a schema of others that is null says nothing.</summary>
internal sealed record ObjectShape(
    ImmutableList<(string Name, SchemaNode Schema)> Properties, ImmutableList<(string Pattern, SchemaNode Schema)> Patterns, SchemaNode? Others);

/// <summary>What several schemas say together of one value, but for their alternatives.</summary>
internal sealed record SchemaPart
{
    /// <summary>Nothing said.</summary>
    public static SchemaPart Anything { get; } = new();

    /// <summary>Kinds that are allowed.</summary>
    public SchemaTypes Types { get; init; } = SchemaTypes.All;

    /// <summary>Numbers must be integers.</summary>
    public bool IsInteger { get; init; }

    /// <summary>The only values that are allowed, as they are written.</summary>
    public ImmutableList<JsonElement>? Values { get; init; }

    /// <summary>The lowest number.</summary>
    public NumberBound? Lower { get; init; }

    /// <summary>The highest number.</summary>
    public NumberBound? Upper { get; init; }

    /// <summary>Numbers of which numbers must be multiples.</summary>
    public ImmutableList<DecimalText> Divisors { get; init; } = [];

    /// <summary>Strings.</summary>
    public StringLimits Strings { get; init; } = StringLimits.None;

    /// <summary>Items of arrays, by each schema.</summary>
    public ImmutableList<ArrayShape> Arrays { get; init; } = [];

    /// <summary>Fewest and most items of arrays.</summary>
    public (int Min, int Max) ItemCount { get; init; } = (0, ByteTerms.Unlimited);

    /// <summary>Members of objects, by each schema.</summary>
    public ImmutableList<ObjectShape> Objects { get; init; } = [];

    /// <summary>What the names of members must be.</summary>
    public ImmutableList<SchemaNode> Names { get; init; } = [];

    /// <summary>Members that must be there, in the order in which they are named.</summary>
    public ImmutableList<string> Required { get; init; } = [];

    /// <summary>Fewest and most members of objects.</summary>
    public (int Min, int Max) MemberCount { get; init; } = (0, ByteTerms.Unlimited);

    /// <summary>Whether values of the allowed kinds are limited in other ways.</summary>
    public bool IsLimited => this != Anything with { Types = Types, Values = Values };
}
