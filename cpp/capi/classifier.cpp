#include "capi/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "core/utf8.hpp"

namespace slimvec {

namespace {

constexpr const char *kClasses = "n_classes", *kTags = "n_tags";

double log_odds(double threshold) {
  if (!(threshold >= 0 && threshold <= 1)) {
    throw std::out_of_range("threshold=" + std::to_string(threshold) + "; expected a number between 0 and 1");
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (threshold <= 0 || threshold >= 1) return threshold > 0 ? kInfinity : -kInfinity;
  return std::log(threshold / (1 - threshold));
}

}  // namespace

const char* Classifier::count(const TableFile& file) {
  if (!file.tells(kTags)) return file.tells(kClasses) ? kClasses : nullptr;
  if (file.tells(kClasses)) throw std::runtime_error("it says n_classes and n_tags, and can have one of them: damaged");
  return kTags;
}

Classifier::Classifier(const TableFile& file, std::size_t dim, const std::optional<Words>& names)
    : n_classes_(file.fact(count(file))), dim_(dim), is_tagger_(file.tells(kTags)), names_(names), labels_(nullptr) {
  if (n_classes_ == 0) throw std::runtime_error(std::string(count(file)) + " is out of range: damaged");
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

std::vector<float> Classifier::scores(const float* mean) const {
  std::vector<float> found(n_classes_);
  for (std::size_t c = 0; c < n_classes_; ++c) {
    double total = 0;  // a product of two floats is exact in it, and sums go by columns, as in Python
    for (std::size_t j = 0; j < dim_; ++j) {
      total += static_cast<double>(mean[j]) * static_cast<double>(coef_[c * dim_ + j]);
    }
    found[c] = static_cast<float>(total + static_cast<double>(intercept_[c]));
    if (!std::isfinite(found[c])) {
      throw std::runtime_error("scores of classes are NaN or infinite: what was learnt is damaged");
    }
  }
  return found;
}

std::vector<std::int64_t> likely_tags(const std::vector<float>& scores, double threshold) {
  const double least = log_odds(threshold);
  std::vector<std::int64_t> found;
  for (std::size_t c = 0; c < scores.size(); ++c) {
    if (static_cast<double>(scores[c]) >= least) found.push_back(static_cast<std::int64_t>(c));
  }
  std::stable_sort(found.begin(), found.end(), [&scores](std::int64_t one, std::int64_t other) {
    return scores[static_cast<std::size_t>(one)] > scores[static_cast<std::size_t>(other)];
  });
  return found;
}

}  // namespace slimvec
