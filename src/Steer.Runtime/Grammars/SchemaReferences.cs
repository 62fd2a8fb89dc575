using System.Globalization;
using System.Text.Json;

namespace Steer.Runtime.Grammars;

/// <summary>Follows references within a schema, and knows which schemas refer to themselves.</summary>
internal sealed class SchemaReferences(JsonElement root)
{
    /// <summary>Most schemas on the way from one to another within the same value.</summary>
    public const int MaxPath = 256;

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

    /// <summary>
    /// The place of a schema that leads to itself before it goes into a value, or through more than <see cref="MaxPath"/>; null where there is
    /// none. Who evaluates such a schema by recursion does not come to an end.
    /// </summary>
    public string? FindLoop()
    {
        var isDone = new Dictionary<string, bool>();
        foreach (var start in Targets(new SchemaNode(root, "")))
        {
            if (isDone.ContainsKey(start.Pointer))
                continue;
            var path = new Stack<(SchemaNode Schema, Queue<SchemaNode> Next)>([(start, Applied(start))]);
            isDone[start.Pointer] = false;
            while (path.TryPeek(out var last))
            {
                if (!last.Next.TryDequeue(out var next))
                {
                    isDone[last.Schema.Pointer] = true;
                    path.Pop();
                }
                else if (!isDone.TryGetValue(next.Pointer, out var done))
                {
                    isDone[next.Pointer] = false;
                    path.Push((next, Applied(next)));
                }
                else if (!done)
                {
                    return next.Pointer;
                }

                if (path.Count > MaxPath)
                    return start.Pointer;
            }
        }

        return null;
    }

    /// <summary>The schemas that a schema applies to the same value.</summary>
    private Queue<SchemaNode> Applied(SchemaNode schema)
    {
        var applied = new Queue<SchemaNode>();
        if (schema.Element.ValueKind != JsonValueKind.Object)
            return applied;
        foreach (var (keyword, value) in schema.Members())
        {
            if (keyword is "$ref" && value.Element.ValueKind == JsonValueKind.String && Resolve(value.Text()) is { } target)
                applied.Enqueue(target);
            else if (keyword is "not" or "if" or "then" or "else")
                applied.Enqueue(value);
            else if (keyword is "allOf" or "anyOf" or "oneOf" && value.Element.ValueKind == JsonValueKind.Array)
                value.Items().ToList().ForEach(applied.Enqueue);
            else if (keyword is "dependentSchemas" && value.Element.ValueKind == JsonValueKind.Object)
                value.Members().ToList().ForEach(member => applied.Enqueue(member.Value));
        }

        return applied;
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
            else if (node.Element.ValueKind == JsonValueKind.Array
                && int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index < node.Element.GetArrayLength())
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
