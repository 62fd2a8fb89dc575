namespace Steer.Runtime.Evaluation;

/// <summary>Nearest neighbours by given distances.</summary>
internal static class NearestNeighbours
{
    /// <summary>Distance of each row of a set from its k-th nearest other row; of the farthest where there are fewer than k.</summary>
    /// <param name="within">Distances of a set from itself.</param>
    /// <param name="k">At least 1.</param>
    public static float[] Radii(DistanceMatrix within, int k)
    {
        k = Math.Min(k, within.Rows - 1);
        var radii = new float[within.Rows];
        var nearest = new float[k];
        for (int i = 0; i < radii.Length; i++)
        {
            nearest.AsSpan().Fill(float.PositiveInfinity);
            ReadOnlySpan<float> row = within.Row(i);
            for (int j = 0; j < row.Length; j++)
            {
                if (row[j] >= nearest[^1] || j == i)
                    continue;
                int place = k - 1;
                for (; place > 0 && nearest[place - 1] > row[j]; place--)
                    nearest[place] = nearest[place - 1];
                nearest[place] = row[j];
            }

            radii[i] = nearest[^1];
        }

        return radii;
    }

    /// <summary>The column nearest to each row, the first of those that are as near.</summary>
    public static int[] OfRows(DistanceMatrix across)
    {
        var nearest = new int[across.Rows];
        for (int i = 0; i < nearest.Length; i++)
            nearest[i] = System.Numerics.Tensors.TensorPrimitives.IndexOfMin(across.Row(i));
        return nearest;
    }

    /// <summary>The row nearest to each column, the first of those that are as near.</summary>
    public static int[] OfColumns(DistanceMatrix across)
    {
        var nearest = new int[across.Columns];
        var distances = across.Row(0).ToArray();
        for (int i = 1; i < across.Rows; i++)
        {
            ReadOnlySpan<float> row = across.Row(i);
            for (int j = 0; j < row.Length; j++)
            {
                if (row[j] < distances[j])
                    (distances[j], nearest[j]) = (row[j], i);
            }
        }

        return nearest;
    }
}
