#include <cstring>
#include <string>

#include "check.hpp"
#include "isa/features.hpp"

using namespace slimvec;

int main() {
  CHECK(!available_isas().empty());
  CHECK(std::strcmp(available_isas().back()->name, "scalar") == 0);
  CHECK(available_isas().back()->required == 0);
  for (const Kernels* isa : built_isas()) {
    CHECK(isa->pack_signs && isa->unpack && isa->count_bits && isa->hamming_below);
    CHECK(isa->asymmetric_tables && isa->asymmetric_above && isa->centroid_dots && isa->byte_dots);
    CHECK(isa->weight_tables && isa->weigh_bits);
    CHECK(isa->gather_f32 && isa->gather_f16 && isa->widen_halves);
    const bool runnable = (isa->required & ~cpu_features()) == 0;
    bool listed = false;
    for (const Kernels* other : available_isas()) listed |= other == isa;
    CHECK(listed == runnable);
    std::printf("%s: %s\n", isa->name, runnable ? "tested" : "NOT TESTED, this CPU cannot run it");
  }
  CHECK(feature_names(kPopcnt | kAvx2) == std::vector<std::string>({"popcnt", "avx2"}));
  CHECK(feature_names(kF16c) == std::vector<std::string>({"f16c"}));
}
