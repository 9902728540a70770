// The text classifier or tagger that a table file may hold beside its table: a linear model on means of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "capi/table_file.hpp"
#include "core/vocabulary.hpp"

namespace slimvec {

class Classifier {
 public:
  // The fact that tells how many classes, or tags, there are, and so which of the two the file holds; null: neither.
  // Throws std::runtime_error for a file that is damaged.
  static const char* count(const TableFile& file);

  // `names` of the classes, unless they are numbers. The file must outlive it. Throws std::runtime_error or
  // std::invalid_argument for a file that is damaged.
  Classifier(const TableFile& file, std::size_t dim, const std::optional<Words>& names);

  std::size_t n_classes() const { return n_classes_; }
  bool is_tagger() const { return is_tagger_; }

  // Of a class that there is; throws std::runtime_error if classes are of the other kind.
  std::string_view name(std::size_t which) const;
  std::int64_t label(std::size_t which) const;

  // W m + b of each class, the same bits as logits in Python. Throws std::runtime_error if one is no finite number.
  std::vector<float> scores(const float* mean) const;

 private:
  std::size_t n_classes_, dim_;
  bool is_tagger_;
  std::optional<Words> names_;
  const std::int64_t* labels_;
  const float *coef_, *intercept_;
};

// The classes whose probability, the logistic function of their score, is `threshold` or more: highest first, the first
// of equals before the next. Throws std::out_of_range for a threshold outside 0 ... 1.
std::vector<std::int64_t> likely_tags(const std::vector<float>& scores, double threshold);

}  // namespace slimvec
