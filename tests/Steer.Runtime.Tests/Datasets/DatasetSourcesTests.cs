using Steer.Kernels;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Tests.Datasets;

/// <summary>What a manifest says of the types of numbers: all that changes a text, so that a job does not go on with others.</summary>
public class DatasetSourcesTests
{
    [Theory]
    [InlineData(null, false, null, null)]
    [InlineData(null, true, null, null)]
    [InlineData(DType.BF16, false, null, "bf16")]
    [InlineData(DType.Int8, true, null, "int8, f32 activations")]
    [InlineData(DType.Int8, true, DType.BF16, "int8, f32 activations, bf16 keys and values")]
    [InlineData(null, false, DType.Int8, "int8 keys and values")]
    [InlineData(DType.BF16, false, null, "bf16, at most 8192 tokens", 8192)]
    public void Types_are_named_where_they_were_asked_for(DType? weights, bool exact, DType? cache, string? expected, int? maxLength = null)
    {
        var options = new EngineOptions { Base = "base", Weights = weights, ExactActivations = exact, KvCacheType = cache, MaxLength = maxLength };
        Assert.Equal(expected, DatasetSources.Read([], [], options).Weights);
    }
}
