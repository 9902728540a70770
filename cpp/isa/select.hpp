// The instruction sets built into this library, fastest first, and those that this CPU can run.
#pragma once

#include <vector>

#include "kernels/kernels.hpp"

namespace slimvec {

const std::vector<const Kernels*>& built_isas();      // every one compiled in, by priority
const std::vector<const Kernels*>& available_isas();  // those this machine runs; never empty: scalar is last

}  // namespace slimvec
