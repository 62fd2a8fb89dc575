using Steer.Runtime.Guidance;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Tests.Sweeps;

/// <summary>Grids, lists of cells and their names.</summary>
public sealed class SweepCellTests
{
    [Fact]
    public void A_grid_has_every_combination_once_and_plain_sampling_where_nothing_steers()
    {
        var cells = new SweepGrid { Gamma = [0, 0.2f], Eta = [0, 0.4f], Alpha = [0, 0.1f] }.Cells();
        Assert.Equal(
            ["plain", "g0.2 e0 a0", "g0 e0.4 a0 k10", "g0.2 e0.4 a0 k10", "mask a0.1", "g0.2 e0 a0.1", "g0 e0.4 a0.1 k10", "g0.2 e0.4 a0.1 k10"],
            cells.Select(c => c.Name));
    }

    [Fact]
    public void Values_that_change_nothing_give_no_cells_of_their_own()
    {
        var grid = new SweepGrid { Presets = [GuidancePreset.Plain, GuidancePreset.Steer, GuidancePreset.Cfg], Gamma = [0, 1.5f], Eta = [0, 0.2f], Alpha = [null], Negatives = [0, 5] };
        Assert.Equal(
            ["cfg g0 a0", "cfg g1.5 a0", "g0 e0.2 a0.1 k5", "g1.5 e0 a0.1", "g1.5 e0.2 a0.1 k5", "plain"],
            grid.Cells().Select(c => c.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_list_is_read_with_defaults_and_refused_with_what_is_wrong()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, """[{"gamma": 0.2, "eta": 0.4, "sum_to_one": true}, {"preset": "contrastive-beta", "gamma": 0.5, "temperature": 0.7}, {"gamma": 0.2, "eta": 0.4, "sum_to_one": true, "alpha": 0.1}]""");
            Assert.Equal(["g0.2 e0.4 a0.1 k10 sum1", "contrastive-beta g0.5 a0.1 t0.7"], SweepGrid.ReadCells(path).Select(c => c.Name));
            foreach (string wrong in new[] { """[{"gama": 1}]""", "[]", "[null]", """{"gamma": 1}""", """[{"preset": "steerr"}]""", """[{"gamma": "NaN"}]""", "null", "[" })
            {
                File.WriteAllText(path, wrong);
                Assert.StartsWith(path, Assert.Throws<SteerException>(() => SweepGrid.ReadCells(path)).Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            File.Delete(path);
        }
    }
}
