using System.Text.Json;
using Steer.Runtime.Datasets;
using Steer.Runtime.Grammars;

namespace Steer.Runtime.Tests.Grammars;

/// <summary>Grammars of JSON schemas: which texts fit, and that every text that is written fits by JsonSchema.Net.</summary>
public class JsonSchemaGrammarTests
{
    [Theory]
    [InlineData("true", "{}|[1,\"a\",null,{\"b\":[true,false]}]|-1.5e-3|\"\\u001f\\n\"", "|nul|[1,]|{\"a\"}|01|1.|\"\\u0041\"|\"\n\"")]
    [InlineData("""{"type":"null"}""", "null", "true")]
    [InlineData("""{"type":["boolean","null"]}""", "true|false|null", "1|\"\"")]
    [InlineData("""{"type":"integer"}""", "0|-1|10", "-0|01|1.0|1e2|+1")]
    [InlineData("""{"type":["integer","string"],"minimum":3}""", "3|10|\"\"", "2|-4")]
    [InlineData("""{"type":["number","integer"]}""", "0.5", "null")]
    [InlineData("""{"minimum":10,"maximum":12,"type":"integer"}""", "10|11|12", "9|13|1|100")]
    [InlineData("""{"type":"integer","exclusiveMinimum":-2,"exclusiveMaximum":2.5}""", "-1|0|1|2", "-2|3|-0")]
    [InlineData("""{"type":"integer","multipleOf":7,"minimum":-20,"maximum":100}""", "-14|0|7|98", "-21|105|8")]
    [InlineData("""{"type":"number","multipleOf":0.25,"minimum":0,"maximum":2}""", "0|0.25|0.5|0.50|1.75|2|2.00", "0.3|2.25|0.250|-0.25")]
    [InlineData("""{"type":"integer","multipleOf":1.5}""", "0|3|-6", "1|2")]
    [InlineData("""{"type":"integer","allOf":[{"multipleOf":4},{"multipleOf":6}]}""", "12|24|-36", "4|6|18")]
    [InlineData("""{"type":"number","exclusiveMinimum":0.5}""", "0.51|0.5001|1|123.4", "0.5|0.50|0.4|0|1e3|-1")]
    [InlineData("""{"type":"number","maximum":-0.05}""", "-0.05|-0.050|-0.06|-7", "-0.04|0|0.05|-0")]
    [InlineData("""{"type":"number","minimum":1e3,"maximum":1.5E3}""", "1000|1499.9|1500", "999|1500.1")]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"ab\"|\"é漢🙂\"|\"\\n\\\"x\"", "\"a\"|\"abcd\"|\"\"")]
    [InlineData("""{"type":"string","pattern":"b+"}""", "\"abba\"|\"b\"", "\"a\"|\"\"")]
    [InlineData("""{"type":"string","pattern":"^[a-c]+$","minLength":2,"maxLength":3}""", "\"ab\"|\"ccc\"", "\"a\"|\"abca\"|\"ad\"")]
    [InlineData("""{"type":"string","pattern":"^\"\\\\\\s$"}""", "\"\\\"\\\\\\n\"|\"\\u0022\\u005C \"", "\"x\"")]
    [InlineData("""{"type":"string","pattern":"^\\d\\w$"}""", "\"1a\"", "\"٣a\"|\"1é\"")]
    [InlineData("""{"allOf":[{"pattern":"a"},{"pattern":"b"}],"type":"string","maxLength":3}""", "\"ab\"|\"bxa\"", "\"aa\"|\"b\"")]
    [InlineData("""{"enum":["red",1,null,{"a":[1.50]},"x\n\u0001"]}""", "\"red\"|1|null|{\"a\":[1.50]}|\"x\\n\\u0001\"", "\"re\"|2|\"x\n\"")]
    [InlineData("""{"enum":["red",1,2.5,null],"type":["integer","null"]}""", "1|null", "\"red\"|2.5")]
    [InlineData("""{"enum":["a","bb","ccc"],"minLength":2}""", "\"bb\"|\"ccc\"", "\"a\"")]
    [InlineData("""{"const":"a/b"}""", "\"a/b\"", "\"a\\/b\"|\"a\"")]
    [InlineData("""{"allOf":[{"enum":[1,2,3]},{"enum":[2,3,4]}],"not-a-link":1}""", "", "")]
    [InlineData("""{"allOf":[{"enum":[1,2,3]},{"enum":[2,3,4]}]}""", "2|3", "1|4")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3}""", "[1,2]|[1,2,3]", "[1]|[]|[1,2,3,4]|[1,\"\"]|[,1,2]")]
    [InlineData("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3}}""", "[]|[1]|[1,2]|[1,2,3,3]", "[2]|[1,3]")]
    [InlineData("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":false,"minItems":1}""", "[1]|[1,2]", "[]|[1,2,3]")]
    [InlineData("""{"type":"array","items":[{"const":1}],"additionalItems":{"const":2},"maxItems":2}""", "[]|[1]|[1,2]", "[2]|[1,2,2]")]
    [InlineData("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"maxItems":1}""", "[]|[1]", "[1,2]")]
    [InlineData("""{"type":"array","items":false}""", "[]", "[1]")]
    [InlineData("""{"type":"array","uniqueItems":false,"maxItems":1}""", "[]|[{}]", "[1,2]")]
    [InlineData(
        """{"properties":{"a":{"const":1},"b":{"const":2}},"required":["b"],"additionalProperties":false,"type":"object"}""",
        "{\"b\":2}|{\"a\":1,\"b\":2}", "{}|{\"a\":1}|{\"b\":2,\"a\":1}|{\"b\":2,\"c\":3}")]
    [InlineData("""{"properties":{"a":{"const":1}},"type":"object"}""", "{}|{\"a\":1}", "{\"a\":2}|{\"b\":2}|{\"a\":1,\"b\":[2]}")]
    [InlineData("""{"required":["b"],"type":"object"}""", "{\"b\":1}", "{}|{\"b\":1,\"c\":1}")]
    [InlineData(
        """{"properties":{"a":{"const":1}},"type":"object","additionalProperties":true}""",
        "{}|{\"a\":1}|{\"a\":1,\"b\":[2]}|{\"b\":2,\"aa\":3,\"\":4}", "{\"a\":2}|{\"b\":1,\"a\":1}")]
    [InlineData(
        """{"type":"object","additionalProperties":{"const":1},"required":["x","y"]}""",
        "{\"x\":1,\"y\":1}|{\"x\":1,\"y\":1,\"z\":1}", "{\"y\":1,\"x\":1}|{\"x\":1}")]
    [InlineData(
        """{"type":"object","properties":{"é\n\"":{"const":1}},"additionalProperties":{"const":2}}""",
        "{\"é\\n\\\"\":1}|{\"é\":2}", "{\"é\\n\\\"\":2}|{\"é\\u000a\\\"\":2}")]
    [InlineData(
        """{"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":"""
            + """{"const":3}},"additionalProperties":false,"minProperties":1,"maxProperties":2}""",
        "{\"a\":1}|{\"b\":2,\"c\":3}", "{}|{\"a\":1,\"b\":2,\"c\":3}")]
    [InlineData("""{"type":"object","maxProperties":1,"additionalProperties":{"const":1}}""", "{}|{\"q\":1}", "{\"q\":1,\"r\":1}")]
    [InlineData("""{"type":"object","minProperties":1,"additionalProperties":{"const":1}}""", "{\"q\":1}|{\"q\":1,\"r\":1}", "{}")]
    [InlineData(
        """{"type":"object","patternProperties":{"^n":{"const":1},"x$":{"const":2}},"additionalProperties":{"const":3}}""",
        "{\"n\":1,\"ax\":2,\"b\":3}", "{\"n\":2}|{\"nx\":1}|{\"b\":1}")]
    [InlineData(
        """{"type":"object","properties":{"na":{"maximum":3}},"patternProperties":{"^n":"""
            + """{"type":"integer"}},"required":["na"],"additionalProperties":false}""",
        "{\"na\":3}|{\"na\":1,\"nb\":7}", "{\"na\":4}|{\"na\":\"\"}|{\"na\":1,\"b\":1}")]
    [InlineData(
        """{"type":"object","propertyNames":{"pattern":"^[ab]+$"},"properties":{"a":{"const":1},"c":{"const":2}}}""",
        "{\"a\":1,\"bb\":null}", "{\"c\":2}|{\"d\":1}")]
    [InlineData(
        """{"allOf":[{"properties":{"a":{"minimum":1}},"additionalProperties":false},{"properties":{"a":{"maximum":2},"b":"""
            + """{}},"required":["a"]}],"type":"object"}""",
        "{\"a\":1}|{\"a\":2}", "{\"a\":3}|{\"a\":0}|{\"a\":1,\"b\":1}")]
    [InlineData("""{"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}],"maximum":5}""", "5|\"a\"", "6|\"ab\"|null")]
    [InlineData("""{"oneOf":[{"const":1},{"const":2}],"anyOf":[{"const":2},{"const":3}]}""", "2", "1|3")]
    [InlineData(
        """{"anyOf":[{"type":"object","properties":{"k":{"const":"a"},"x":"""
            + """{"type":"integer"}},"required":["k","x"],"additionalProperties":false},{"type":"object","properties":{"k":"""
            + """{"const":"b"}},"required":["k"],"additionalProperties":false}]}""",
        "{\"k\":\"a\",\"x\":1}|{\"k\":\"b\"}", "{\"k\":\"a\"}|{\"k\":\"b\",\"x\":1}")]
    [InlineData("""{"$ref":"#/$defs/n~1m%25","maximum":3,"$defs":{"n/m%":{"type":"integer","minimum":2}}}""", "2|3", "1|4")]
    [InlineData(
        """{"$defs":{"tree":{"type":"object","properties":{"v":{"const":1},"kids":{"type":"array","items":"""
            + """{"$ref":"#/$defs/tree"}}},"required":["v"],"additionalProperties":false}},"$ref":"#/$defs/tree"}""",
        "{\"v\":1}|{\"v\":1,\"kids\":[{\"v\":1,\"kids\":[]},{\"v\":1}]}", "{\"v\":1,\"kids\":[1]}")]
    [InlineData("""{"anyOf":[{"$ref":"#"},{"type":"null"},{"type":"array","items":{"$ref":"#"},"maxItems":1}]}""", "null|[]|[[null]]", "1|[1]")]
    [InlineData("""{"type":"string","format":"email","maxLength":254}""", "\"a@b.org\"", "\"a@b\"|\"a\"")]
    [InlineData("""{"type":"object","properties":{"a":false,"b":{}},"additionalProperties":false}""", "{}|{\"b\":{\"x\":[]}}", "{\"a\":1}")]
    [InlineData(
        """{"type":"integer","title":"t","description":"d","default":1,"examples":[1],"$comment":"c","x-order":"""
            + """1,"deprecated":true,"minimum":1,"maximum":1}""",
        "1", "2")]
    public void Texts_fit(string schema, string fitting, string refused)
    {
        if (fitting.Length == 0)
        {
            Assert.Throws<SteerException>(() => Make(schema));
            return;
        }

        // JsonSchema.Net does not know the older form of items, and follows a schema that is itself without end.
        var check = schema.Contains("additionalItems") || schema.StartsWith("""{"anyOf":[{"$ref":"#"}""") ? null : new SchemaCheck(schema);
        var grammar = Make(schema);
        foreach (var text in fitting.Split('|'))
        {
            Assert.True(grammar.Fits(text), $"{schema} refuses {text}");
            Assert.True(check?.Matches(text, out _) ?? true, $"{schema} does not allow {text}");
        }

        Assert.All(refused.Split('|'), text => Assert.False(grammar.Fits(text), $"{schema} allows {text}"));
        for (var seed = 0; seed < 6; seed++)
        {
            var text = GrammarTexts.Write(grammar, new Random(seed), 60);
            Assert.True(check?.Matches(text, out _) ?? true, $"{schema} does not allow {text}");
        }
    }

    [Theory]
    [InlineData("date", "2024-02-29|2023-12-31|2000-02-29", "2023-02-29|2023-13-01|1900-02-29|2023-04-31|23-01-01")]
    [InlineData("time", "23:59:59Z|00:00:00.123+05:30", "24:00:00Z|12:00|12:00:00")]
    [InlineData("date-time", "2024-02-29T12:00:00Z", "2024-02-29|2024-02-30T12:00:00Z|2024-02-29 12:00:00Z")]
    [InlineData("duration", "P1Y2M3DT4H5M6S|PT1S|P3W", "P|PT|1S|P1S")]
    [InlineData("email", "a.b+c@example.org", "a@b|a@@b.c|@b.c|a b@c.d")]
    [InlineData("hostname", "example|a-b.example.org", "-a|a-|a..b|a_b")]
    [InlineData("ipv4", "0.0.0.0|255.249.199.9", "256.1.1.1|1.1.1|01.1.1.1")]
    [InlineData("ipv6", "::|::1|1::|1:2:3:4:5:6:7:8|1::8|fe80::a:b|1:2:3:4:5:6:7::", ":|1:2|1:2:3:4:5:6:7:8:9|1::2::3|12345::")]
    [InlineData("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000|123e4567-e89b-12d3-a456-42661417400g")]
    [InlineData("uri", "https://example.org/a/b%20c?q=1#f|ftp://1.2.3.4:80", "example.org|https://a b|http://")]
    public void Formats_fit(string format, string fitting, string refused)
    {
        var grammar = Make($$"""{"type":"string","format":"{{format}}" }""");
        Assert.All(fitting.Split('|'), text => Assert.True(grammar.Fits($"\"{text}\""), text));
        Assert.All(refused.Split('|'), text => Assert.False(grammar.Fits($"\"{text}\""), text));
        for (var seed = 0; seed < 20; seed++)
        {
            var text = JsonSerializer.Deserialize<string>(GrammarTexts.Write(grammar, new Random(seed), 12))!;
            Assert.True(IsValid(format, text), text);
        }
    }

    [Theory]
    [InlineData("""{"type":"object","not":{}}""", "at # has 'not'")]
    [InlineData("""{"properties":{"a~/":{"if":{}}}}""", "at #/properties/a~0~1 has 'if'")]
    [InlineData("""{"items":{"uniqueItems":true}}""", "at #/items has 'uniqueItems'")]
    [InlineData("""{"contains":{}}""", "'contains'")]
    [InlineData("""{"unevaluatedProperties":false}""", "'unevaluatedProperties'")]
    [InlineData("""{"dependentRequired":{}}""", "'dependentRequired'")]
    [InlineData("""{"$dynamicRef":"#a"}""", "'$dynamicRef'")]
    [InlineData("""{"minimun":1}""", "'minimun'")]
    [InlineData("""{"type":"strin"}""", "at #/type has a type 'strin'")]
    [InlineData("""{"type":3}""", "at #/type must be a text")]
    [InlineData("""{"properties":[]}""", "at #/properties must be an object")]
    [InlineData("""{"properties":{"a":3}}""", "at #/properties/a must be an object")]
    [InlineData("""{"required":"a"}""", "at #/required must be an array")]
    [InlineData("""{"minLength":-1}""", "at #/minLength")]
    [InlineData("""{"maxItems":1.5}""", "at #/maxItems")]
    [InlineData("""{"multipleOf":0}""", "at #/multipleOf")]
    [InlineData("""{"type":"number","multipleOf":123456789}""", "'multipleOf'")]
    [InlineData("""{"minimum":1e999999999999}""", "at #/minimum")]
    [InlineData("""{"minimum":"1"}""", "at #/minimum")]
    [InlineData("""{"exclusiveMinimum":true}""", "at #/exclusiveMinimum")]
    [InlineData("""{"pattern":"(?=a)"}""", "look-ahead")]
    [InlineData("""{"properties":{"p":{"pattern":"(a"}}}""", "at #/properties/p has a 'pattern' '(a'")]
    [InlineData("""{"format":"regex"}""", "supported are date, date-time")]
    [InlineData("""{"$ref":"other.json"}""", "at #/$ref refers to")]
    [InlineData("""{"$ref":"#/$defs/a"}""", "at #/$ref refers to")]
    [InlineData("""{"$ref":"#"}""", "allows no text at all")]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""", "allows no text at all")]
    [InlineData("""{"type":"integer","minimum":1.2,"maximum":1.8}""", "allows no text at all")]
    [InlineData("""{"type":"string","minLength":3,"maxLength":2}""", "allows no text at all")]
    [InlineData(
        """{"type":"object","properties":{"a":{}},"additionalProperties":{},"minProperties":2,"maxProperties":1}""", "allows no text at all")]
    [InlineData("""{"enum":[]}""", "allows no text at all")]
    [InlineData("""{"type":"string","pattern":"^aa$","maxLength":1}""", "allows no text at all")]
    [InlineData("false", "allows no text at all")]
    [InlineData("""{"type":"object","minProperties":3}""", "free names may repeat")]
    [InlineData("""{"patternProperties":{"(?:\\w{2,33}){2,256}":{}}}""", "at # has patterns for the names of members that need too many states")]
    [InlineData("""{"pattern":"(?:\\w{2,33}){2,256}","maxLength":300}""", "needs too many states for a pattern and a length together")]
    [InlineData("3", "at # must be an object")]
    [InlineData("{", "is no JSON")]
    [InlineData("", "is no JSON")]
    [InlineData("""{"type":"null","type":"null"}""", "is no JSON")]
    [InlineData("""{"const":"\ud800"}""", "is no JSON")]
    public void What_no_grammar_can_follow_is_one_line(string schema, string named)
    {
        var message = Assert.Throws<SteerException>(() => Make(schema)).Message;
        Assert.Contains(named, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        Assert.StartsWith("the JSON schema ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Large_and_tangled_schemas_are_followed_or_refused()
    {
        var deep = string.Concat(Enumerable.Repeat("""{"items":""", 60)) + "{}" + new string('}', 60);
        var chain = Many(3000, """ "d<i>":{"$ref":"#/$defs/d<next>"} """);
        var nested = Many(3000, """ "d<i>":{"type":"array","items":{"$ref":"#/$defs/d<next>"}} """);
        var choices = Many(12, """{"anyOf":[{"minimum":1},{"maximum":2},{"type":"null"},{"type":"string"}]}""");
        var doubled = Many(40, """ "d<i>":{"type":"array","prefixItems":[{"$ref":"#/$defs/d<next>"},{"$ref":"#/$defs/d<next>"}]} """);
        var members = Many(2000, """ "member<i>":{"type":"string"} """);
        var patterns = Many(16, """ "x{<i>}z":{} """);
        string[] schemas =
        [
            deep,
            $$"""{"$ref":"#/$defs/d0","$defs":{ {{chain}},"d3000":{} } }""",
            $$"""{"$ref":"#/$defs/d0","$defs":{ {{nested}},"d3000":{} } }""",
            $$"""{"allOf":[{{choices}}]}""",
            $$"""{"$ref":"#/$defs/d0","$defs":{ {{doubled}},"d40":{"const":1} } }""",
            $$"""{"type":"object","properties":{ {{members}} } }""",
            $$"""{"type":"object","properties":{ {{Many(4000, $"\"<i>{new string('x', 200)}\":{{}}")}} },"patternProperties":{ {{patterns}} } }""",
            """{"type":"string","minLength":1000000,"maxLength":100000000}""",
            """{"type":"string","pattern":"^(a|b)*a(a|b){18}$","maxLength":100000}""",
            """{"type":"array","minItems":1000000,"items":{"type":"array","maxItems":2000000000}}""",
            """{"type":"object","patternProperties":{"a.{20}":{},"b.{20}":{},"c.{20}":{},"d.{20}":{}}}""",
            """{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"},{"type":"array","items":{"$ref":"#/$defs/a"}}]},"b":{"anyOf":["""
                + """{"$ref":"#/$defs/a"},{"type":"array","prefixItems":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}]}]}},"$ref":"#/$defs/a"}""",
        ];
        foreach (var schema in schemas)
        {
            var fault = Record.Exception(() =>
            {
                var grammar = Make(schema);
                GrammarTexts.Allowed(grammar, grammar.Start);
            });
            Assert.True(fault is null or SteerException, $"{fault}");
        }
    }

    private static string Many(int count, string member) => string.Join(',', Enumerable.Range(0, count).Select(i => member
        .Replace("<i>", $"{i}", StringComparison.Ordinal)
        .Replace("<next>", $"{i + 1}", StringComparison.Ordinal)));

    private static TokenGrammar Make(string schema) => TokenGrammar.FromJsonSchema(schema, GrammarTexts.Base, [GrammarTexts.BaseEnd]);

    private static bool IsValid(string format, string text) => format switch
    {
        "date" => text.StartsWith("0000", StringComparison.Ordinal) || DateOnly.TryParseExact(text, "yyyy-MM-dd", out _),
        "time" => DateTimeOffset.TryParse($"2024-01-01T{text}", out _),
        "date-time" => text.StartsWith("0000", StringComparison.Ordinal) || DateTimeOffset.TryParse(text, out _) || text[0] == '0' || text[0] == '9',
        "email" => System.Net.Mail.MailAddress.TryCreate(text, out _),
        "hostname" => Uri.CheckHostName(text) is not UriHostNameType.Unknown,
        "ipv4" or "ipv6" => System.Net.IPAddress.TryParse(text, out _),
        "uuid" => Guid.TryParseExact(text, "D", out _),
        "uri" => Uri.TryCreate(text, UriKind.Absolute, out _),
        _ => true,
    };
}
