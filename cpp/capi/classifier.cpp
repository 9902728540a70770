#include "capi/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "core/utf8.hpp"

namespace slimvec {

Classifier::Classifier(const TableFile& file, std::size_t dim, const std::optional<Words>& names)
    : n_classes_(file.fact("n_classes")), dim_(dim), names_(names), labels_(nullptr) {
  if (n_classes_ == 0) throw std::runtime_error("n_classes is out of range: damaged");
  if (!names) labels_ = file.tensor("classes", {"I64"}, {n_classes_}).as<std::int64_t>();
  for (std::size_t which = 0; names && which < n_classes_; ++which) {
    const std::string_view found = (*names)[which];
    if (!is_utf8(found.data(), found.data() + found.size())) {
      throw std::runtime_error("the name of class " + std::to_string(which) + " is not UTF-8: damaged");
    }
  }
  coef_ = file.tensor("coef", {"F32"}, {n_classes_, dim}).as<float>();
  intercept_ = file.tensor("intercept", {"F32"}, {n_classes_}).as<float>();
}

std::string_view Classifier::name(std::size_t which) const {
  if (!names_) throw std::runtime_error("its classes are numbers: slimvec_class_label tells them");
  return (*names_)[which];
}

std::int64_t Classifier::label(std::size_t which) const {
  if (names_) throw std::runtime_error("its classes have names: slimvec_class_name tells them");
  return labels_[which];
}

std::size_t Classifier::score(const float* mean, float* scores) const {
  std::vector<float> found(n_classes_);
  for (std::size_t c = 0; c < n_classes_; ++c) {
    double total = 0;  // a product of two floats is exact in it, and sums go by columns, as in Python
    for (std::size_t j = 0; j < dim_; ++j) {
      total += static_cast<double>(mean[j]) * static_cast<double>(coef_[c * dim_ + j]);
    }
    found[c] = static_cast<float>(total + static_cast<double>(intercept_[c]));
    if (!std::isfinite(found[c])) {
      throw std::runtime_error("scores of classes are NaN or infinite: the classifier is damaged");
    }
  }
  std::copy(found.begin(), found.end(), scores);
  return static_cast<std::size_t>(std::max_element(found.begin(), found.end()) - found.begin());
}

}  // namespace slimvec
