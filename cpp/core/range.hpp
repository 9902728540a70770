// Consecutive elements of something: of codes, blocks or queries, or of the arrays of sparse rows.
#pragma once

#include <cstddef>

namespace slimvec {

struct Range {
  std::size_t begin, end;
  std::size_t size() const { return end - begin; }
};

}  // namespace slimvec
