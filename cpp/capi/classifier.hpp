// The text classifier that a table file may hold beside its table: a linear softmax on means of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "capi/table_file.hpp"
#include "core/vocabulary.hpp"

namespace slimvec {

class Classifier {
 public:
  // `names` of the classes, unless they are numbers. The file must outlive it. Throws std::runtime_error or
  // std::invalid_argument for a file that is damaged.
  Classifier(const TableFile& file, std::size_t dim, const std::optional<Words>& names);

  std::size_t n_classes() const { return n_classes_; }

  // Of a class that there is; throws std::runtime_error if classes are of the other kind.
  std::string_view name(std::size_t which) const;
  std::int64_t label(std::size_t which) const;

  // scores[c] = W m + b of class c, the same bits as TextClassifier.logits. Returns the class of the highest, the first
  // of equals. Throws std::runtime_error, having written nothing, if a score is no finite number.
  std::size_t score(const float* mean, float* scores) const;

 private:
  std::size_t n_classes_, dim_;
  std::optional<Words> names_;
  const std::int64_t* labels_;
  const float *coef_, *intercept_;
};

}  // namespace slimvec
