using System.Text.Json;
using Json.Schema;
using Steer.Runtime.Grammars;

namespace Steer.Runtime.Datasets;

/// <summary>A JSON schema that texts must match.</summary>
internal sealed class SchemaCheck
{
    private readonly JsonSchema _schema;
    private readonly HashSet<string>? _declared;

    /// <param name="schema">The schema as JSON.</param>
    /// <param name="name">Where it comes from, as errors name it.</param>
    /// <exception cref="SteerException">It is no schema. References to documents of others are not fetched.</exception>
    public SchemaCheck(string schema, string name = "schema")
    {
        try
        {
            using var document = JsonDocument.Parse(schema);
            if (new SchemaReferences(document.RootElement).FindLoop() is { } loop)
            {
                throw new SteerException(
                    $"{name}: the schema at #{loop} leads to itself with no value between, or through more than {SchemaReferences.MaxPath} others. "
                    + "Mend it.");
            }

            _schema = JsonSchema.FromText(schema, new BuildOptions { SchemaRegistry = new SchemaRegistry(), Dialect = Dialect.Draft202012 });
            if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("properties", out var properties))
                _declared = [.. properties.EnumerateObject().Select(p => p.Name)];

            // A keyword that is wrong, or a reference that leads nowhere, may show only when it is used.
            using var anything = JsonDocument.Parse("{}");
            _schema.Evaluate(anything.RootElement);
        }
        catch (JsonException e)
        {
            throw new SteerException($"{name}: is no JSON ({JsonFault.Describe(e)}). Mend it.", e);
        }
        catch (Exception e) when (e is JsonSchemaException or RefResolutionException or ArgumentException or InvalidOperationException)
        {
            throw new SteerException($"{name}: is no JSON schema ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}). Mend it.", e);
        }
    }

    /// <summary>Whether a text is JSON that the schema allows.</summary>
    /// <param name="text">The text.</param>
    /// <param name="members">
    /// Members of the object, where it is one: those that the schema declares, or all where it declares none; texts as they are, anything else as
    /// JSON.
    /// </param>
    public bool Matches(string text, out IReadOnlyList<KeyValuePair<string, string>> members)
    {
        members = [];
        try
        {
            using var json = JsonDocument.Parse(text);
            if (!_schema.Evaluate(json.RootElement).IsValid)
                return false;
            if (json.RootElement.ValueKind == JsonValueKind.Object)
            {
                members =
                [
                    .. json.RootElement.EnumerateObject().Where(m => _declared is null || _declared.Contains(m.Name))
                        .Select(
                            m => KeyValuePair.Create(m.Name, m.Value.ValueKind == JsonValueKind.String ? m.Value.GetString()! : m.Value.GetRawText()))
                        .DistinctBy(m => m.Key),
                ];
            }

            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // No JSON, text in it that is no Unicode, or a number beyond those that a schema can bound.
            return false;
        }
    }
}
