using System.Text.Json;

namespace Steer.Runtime.Grammars;

/// <summary>Follows references within a schema, and knows which schemas refer to themselves.</summary>
internal sealed class SchemaReferences(JsonElement root)
{
    private readonly Dictionary<string, bool> _isRecursive = [];
    private readonly Dictionary<string, List<SchemaNode>> _targets = [];

    /// <summary>The schema that a `$ref` names, and whether it leads back to itself.</summary>
    /// <exception cref="FormatException">There is none in the document.</exception>
    public (SchemaNode Target, bool IsRecursive) Follow(SchemaNode reference)
    {
        var target = Resolve(reference.Text())
            ?? throw reference.Error("refers to what is not in the schema. Put it into $defs and write '#/$defs/NAME'.");
        if (!_isRecursive.TryGetValue(target.Pointer, out var isRecursive))
            _isRecursive[target.Pointer] = isRecursive = LeadsTo(target);
        return (target, isRecursive);
    }

    private SchemaNode? Resolve(string reference)
    {
        if (!reference.StartsWith('#') || (reference.Length > 1 && reference[1] != '/'))
            return null;
        var node = new SchemaNode(root, "");
        foreach (var part in Uri.UnescapeDataString(reference).Split('/').Skip(1))
        {
            var name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (node.Element.ValueKind == JsonValueKind.Object && node.Element.TryGetProperty(name, out var member))
                node = node.Child(name, member);
            else if (node.Element.ValueKind == JsonValueKind.Array && int.TryParse(name, out var index) && index >= 0
                && index < node.Element.GetArrayLength())
                node = node.Child(name, node.Element[index]);
            else
                return null;
        }

        return node;
    }

    private bool LeadsTo(SchemaNode start)
    {
        var seen = new HashSet<string>();
        var work = new Stack<SchemaNode>([start]);
        while (work.TryPop(out var schema))
        {
            foreach (var target in Targets(schema))
            {
                if (target.Pointer == start.Pointer)
                    return true;
                if (seen.Add(target.Pointer))
                    work.Push(target);
            }
        }

        return false;
    }

    /// <summary>The schemas that are referred to within one; references that lead nowhere are found when they are followed.</summary>
    private List<SchemaNode> Targets(SchemaNode schema)
    {
        if (!_targets.TryGetValue(schema.Pointer, out var targets))
            _targets[schema.Pointer] = targets = [.. References(schema.Element).Distinct().Select(Resolve).OfType<SchemaNode>()];
        return targets;
    }

    private static IEnumerable<string> References(JsonElement schema)
    {
        var work = new Stack<JsonElement>([schema]);
        while (work.TryPop(out var element))
        {
            if (element.ValueKind == JsonValueKind.Array)
            {
                foreach (var item in element.EnumerateArray())
                    work.Push(item);
            }
            else if (element.ValueKind == JsonValueKind.Object)
            {
                foreach (var member in element.EnumerateObject())
                {
                    if (member.Name == "$ref" && member.Value.ValueKind == JsonValueKind.String)
                        yield return member.Value.GetString()!;
                    work.Push(member.Value);
                }
            }
        }
    }
}
