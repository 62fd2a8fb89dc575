using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Steer.Runtime.Datasets;
using Steer.Runtime.Grammars;

namespace Steer.Runtime.Tests.Grammars;

/// <summary>
/// Random schemas against JsonSchema.Net: what is written fits them, and random values fit the grammar exactly if they fit the schema. Schemas
/// declare the first names of the alphabet, in its order, so that values in that order are in the grammar's.
/// </summary>
public class RandomSchemaTests
{
    private static readonly string[] Names = ["a", "b", "c", "d"];

    [Fact]
    public void A_grammar_has_the_values_that_fit_the_schema()
    {
        var (accepted, refused, impossible) = (0, 0, 0);
        for (var seed = 0; seed < 250; seed++)
        {
            var random = new Random(seed);
            var schema = Schema(random, 3);
            schema["$defs"] = new JsonObject { ["x"] = Schema(random, 1, references: false), ["y"] = Schema(random, 1, references: false) };
            var text = schema.ToJsonString();
            var check = new SchemaCheck(text);
            TokenGrammar? grammar = null;
            try
            {
                grammar = TokenGrammar.FromJsonSchema(text, GrammarTexts.Base, [GrammarTexts.BaseEnd]);
            }
            catch (SteerException e) when (e.Message.Contains("no text at all"))
            {
                impossible++;
            }

            for (var i = 0; i < 3 && grammar is not null; i++)
            {
                var written = GrammarTexts.Write(grammar, random, 30);

                // JsonSchema.Net has no numbers beyond System.Decimal, counts a letter with its accents once, and halves of a surrogate pair twice.
                if (!Regex.IsMatch(written, "[eE][+-]?[0-9]{2}|[0-9]{25}|[\u0300-\uFFFF]"))
                    Assert.True(check.Matches(written, out _), $"{text} does not allow {written}");
            }

            for (var i = 0; i < 60; i++)
            {
                using var document = JsonDocument.Parse(Value(random, 3)?.ToJsonString() ?? "null");
                var value = JsonTexts.Write(document.RootElement);
                var isValid = check.Matches(value, out _);
                Assert.True(isValid == (grammar?.Fits(value) ?? false), $"{text} and {value}: valid is {isValid}");
                (accepted, refused) = isValid ? (accepted + 1, refused) : (accepted, refused + 1);
            }
        }

        Assert.InRange(accepted, 1000, int.MaxValue);
        Assert.InRange(refused, 1000, int.MaxValue);
        Assert.InRange(impossible, 0, 80);
    }

    private static JsonObject Schema(Random random, int depth, bool references = true)
    {
        var schema = new JsonObject();
        switch (random.Next(depth == 0 ? 6 : 12))
        {
            case 0:
                schema["type"] = "integer";
                AddBounds(schema, random);
                break;
            case 1:
                schema["type"] = random.Next(2) == 0 ? "number" : new JsonArray("number", "null");
                AddBounds(schema, random);
                break;
            case 2:
                schema["type"] = "string";
                AddLengths(schema, random);
                break;
            case 3:
                schema["enum"] = new JsonArray("a", "bb", 1, 2.5, null, true, new JsonArray(1));
                if (random.Next(2) == 0)
                    AddLengths(schema, random);
                if (random.Next(2) == 0)
                    AddBounds(schema, random);
                break;
            case 4:
                AddLengths(schema, random);
                AddBounds(schema, random);
                break;
            case 5:
                if (references)
                    schema["$ref"] = random.Next(2) == 0 ? "#/$defs/x" : "#/$defs/y";
                else
                    schema["type"] = new JsonArray("boolean", "null", "array");
                break;
            case 6 or 7:
                if (random.Next(3) > 0)
                    schema["type"] = "array";
                if (random.Next(2) == 0)
                    schema["items"] = Schema(random, depth - 1, references);
                if (random.Next(3) == 0)
                    schema["prefixItems"] = new JsonArray(Schema(random, depth - 1, references), Schema(random, depth - 1, references));
                if (random.Next(3) == 0)
                    schema["minItems"] = random.Next(3);
                if (random.Next(3) == 0)
                    schema["maxItems"] = random.Next(4);
                break;
            case 8 or 9:
                AddMembers(schema, random, depth, references);
                break;
            case 10:
                schema["anyOf"] = new JsonArray(Schema(random, depth - 1, references), Schema(random, depth - 1, references));
                if (random.Next(2) == 0)
                    AddBounds(schema, random);
                break;
            default:
                schema["allOf"] = new JsonArray(Schema(random, depth - 1, references), Schema(random, depth - 1, references));
                if (random.Next(2) == 0)
                    AddMembers(schema, random, depth, references);
                break;
        }

        return schema;
    }

    private static void AddMembers(JsonObject schema, Random random, int depth, bool references)
    {
        if (random.Next(3) > 0)
            schema["type"] = "object";
        var declared = Names.Take(random.Next(1, 4)).ToList();
        schema["properties"] = new JsonObject(declared.Select(name => KeyValuePair.Create(name, (JsonNode?)Schema(random, depth - 1, references))));
        if (random.Next(2) == 0)
            schema["required"] = new JsonArray([.. declared.Where(_ => random.Next(2) == 0).Select(name => (JsonNode?)name)]);

        // Without it a grammar makes declared members alone, which is a part of what fits.
        schema["additionalProperties"] = random.Next(4) switch { 0 => false, 1 => Schema(random, depth - 1, references), _ => true };
        if (random.Next(4) == 0)
            schema["maxProperties"] = random.Next(1, 4);
        if (random.Next(6) == 0)
            schema["minProperties"] = 1;
        if (random.Next(6) == 0)
            schema["propertyNames"] = new JsonObject { ["pattern"] = "[abd]" };
        if (random.Next(6) == 0)
            schema["patternProperties"] = new JsonObject { ["[bd]"] = Schema(random, depth - 1, references) };
    }

    private static void AddBounds(JsonObject schema, Random random)
    {
        if (random.Next(2) == 0)
            schema[random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = random.Next(-4, 5) / 2.0;
        if (random.Next(2) == 0)
            schema[random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = random.Next(-2, 9) / 2.0;
        if (random.Next(4) == 0)
            schema["multipleOf"] = random.Next(2) == 0 ? 2 : 0.5;
    }

    private static void AddLengths(JsonObject schema, Random random)
    {
        if (random.Next(2) == 0)
            schema["minLength"] = random.Next(3);
        if (random.Next(2) == 0)
            schema["maxLength"] = random.Next(4);
        if (random.Next(3) == 0)
            schema["pattern"] = new[] { "a", "^a", "b$", "^(a|b)+$", "^.?$" }[random.Next(5)];
    }

    private static JsonNode? Value(Random random, int depth)
    {
        switch (random.Next(depth == 0 ? 7 : 11))
        {
            case 0:
                return null;
            case 1:
                return random.Next(2) == 0;
            case 2 or 3:
                return random.Next(-4, 6);
            case 4:
                return random.Next(-4, 6) + 0.5;
            case 5 or 6:
                return new[] { "", "a", "b", "bb", "ab", "aab", "éa", "x" }[random.Next(8)];
            case 7 or 8:
                return new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Value(random, depth - 1))]);
            default:
                return new JsonObject(Names.Where(_ => random.Next(2) == 0).Select(name => KeyValuePair.Create(name, Value(random, depth - 1))));
        }
    }
}
