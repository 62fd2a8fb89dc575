using Steer.Kernels.Tests.Guidance;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>
/// The shared tests of kernels whose threads work together, on ILGPU's CPU accelerator with warps of 32: elsewhere the emulator runs a single thread to a
/// group, which would hide what threads do to each other.
/// </summary>
[Collection(DeviceCollection.Name)]
public sealed class WarpEmulatorTests(DeviceSet devices)
{
    [Theory]
    [InlineData(NormKind.Rms)]
    [InlineData(NormKind.Layer)]
    public void Threads_share_the_columns_of_a_norm(NormKind kind)
    {
        new NormTests(devices).Rows_are_normalised(DeviceSet.WarpEmulator, kind, biased: true);
        new NormTests(devices).AddNorm_adds_and_then_normalises_the_sum(DeviceSet.WarpEmulator, kind, 0.3f);
    }

    [Fact]
    public void Threads_share_the_depth_of_an_adapter()
    {
        var tests = new LoraDeltaTests(devices);
        tests.Every_rank_is_that_of_float64(DeviceSet.WarpEmulator, 13);
        tests.Adapters_of_a_batch_change_their_own_rows(DeviceSet.WarpEmulator);
        tests.Rows_of_a_wide_projection_are_those_of_float64_and_the_same_bits_however_many(DeviceSet.WarpEmulator);
    }

    [Theory]
    [InlineData(RopeLayout.Half)]
    [InlineData(RopeLayout.Interleaved)]
    public void Threads_share_the_columns_of_a_head_that_rotates_and_goes_to_the_cache(RopeLayout layout)
    {
        new RopeTests(devices).Queries_and_keys_rotate_in_place(DeviceSet.WarpEmulator, layout);
    }

    [Fact]
    public void Threads_share_the_positions_and_columns_of_attention()
    {
        new RopeTests(devices).Values_are_found_at_their_slots_in_every_layer(DeviceSet.WarpEmulator);
        var tests = new AttentionTests(devices);
        tests.Query_heads_share_kv_heads(DeviceSet.WarpEmulator, 8, 2);
        tests.A_later_chunk_and_decode_mix_in_one_batch(DeviceSet.WarpEmulator);
        tests.A_window_hides_what_is_too_far_back(DeviceSet.WarpEmulator, 17);
        tests.A_long_context_is_read_to_its_end(DeviceSet.WarpEmulator);
    }

    [Fact]
    public void Threads_share_the_vocabulary_of_a_step()
    {
        var tests = new GuideEdgeTests(devices);
        tests.A_forced_token_wins_over_the_mask_and_is_counted(DeviceSet.WarpEmulator);
        tests.Greedy_takes_the_lowest_id_of_equals_and_tells_apart_the_nearest_logits(DeviceSet.WarpEmulator);
        tests.Every_truncation_keeps_a_token(DeviceSet.WarpEmulator);
        tests.Equal_logits_stand_or_fall_together_but_for_a_mass(DeviceSet.WarpEmulator);
        new GuideGoldenTests(devices).Truncations_keep_what_transformers_keeps(DeviceSet.WarpEmulator);
    }

    [Fact]
    [Trait("Category", "Heavy")]
    public void Threads_of_a_whole_group_share_the_vocabulary_of_a_step()
    {
        new GuideEdgeTests(devices).Equal_logits_stand_or_fall_together_but_for_a_mass(DeviceSet.GroupEmulator);
        new GuideGoldenTests(devices).Truncations_keep_what_transformers_keeps(DeviceSet.GroupEmulator);
    }
}
