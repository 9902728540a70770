// Two registers of eight lanes.
#include "kernels/grid/lanes.hpp"

void slimvec::grid_levels_avx2(const float* values, const float* parallels, const GridDirection* directions,
                               std::size_t n_directions, std::size_t n_passes, float* levels, float* scales,
                               float* products, float* energies) {
  grid_levels(values, parallels, directions, n_directions, n_passes, levels, scales, products, energies);
}
