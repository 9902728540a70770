#include "capi/table_file.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace slimvec {

namespace {

constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 20;
// As in Python, where NumPy bounds both: 2^59 elements, where sizes have 64 bits.
constexpr std::size_t kMaxDimensions = 8, kMaxElements = (std::numeric_limits<std::size_t>::max() >> 5) + 1;

[[noreturn]] void fail(const std::string& reason) { throw std::runtime_error(reason); }

std::size_t item_size(const std::string& dtype) {
  if (dtype == "U8") return 1;
  if (dtype == "U16" || dtype == "F16") return 2;
  if (dtype == "U32" || dtype == "F32") return 4;
  return dtype == "I64" ? 8 : 0;
}

const Json& member(const Json& object, const char* name) {
  const Json* found = object.find(name);
  if (!found) fail(std::string("its header says nothing of ") + name + ": not a table, or damaged");
  return *found;
}

std::size_t size_of(const Json& number, const char* name) {
  const std::uint64_t size = number.integer(name);
  if (size > std::numeric_limits<std::size_t>::max()) fail(std::string(name) + " is too large for this system");
  return static_cast<std::size_t>(size);
}

double real_of(const Json& object, const char* name, double minimum) {
  const double value = member(object, name).real(name);
  if (value < minimum) fail(std::string(name) + " is out of range: damaged");
  return value;
}

}  // namespace

TableFile::TableFile(const char* path) : file_(path) {
  std::uint64_t header_bytes = 0;
  if (file_.size() < sizeof(header_bytes)) fail(std::to_string(file_.size()) + " bytes are too few for a table");
  std::memcpy(&header_bytes, file_.data(), sizeof(header_bytes));
  if (header_bytes > std::min(file_.size() - sizeof(header_bytes), kMaxHeaderBytes)) {
    fail("its header does not fit: not a table, or truncated");
  }
  const std::size_t start = sizeof(header_bytes) + static_cast<std::size_t>(header_bytes);
  const Json header = parse_json({file_.data() + sizeof(header_bytes), start - sizeof(header_bytes)});
  const Json& metadata = member(header, "__metadata__");
  for (const auto& [name, value] : metadata.members) (void)value.string("its metadata");
  if (member(metadata, "format").string("format") != "slimvec") fail("it is no table of slimvec");
  const std::string& version = member(metadata, "format_version").string("format_version");
  if (version.size() != 1 || version < "1" || version > "5") {
    fail("its format version is " + version + "; this slimvec reads 1, 2, 3, 4 and 5: update slimvec");
  }
  facts_ = parse_json(member(metadata, "facts").string("facts"));
  std::vector<Place> places;
  for (const auto& [name, entry] : header.members) {
    if (name != "__metadata__") places.push_back(add_tensor(name, entry, start));
  }
  std::sort(places.begin(), places.end());
  std::size_t end = 0;
  for (const Place& place : places) {  // without holes, and without a byte that two tensors share
    if (place.first != end) fail("its tensors do not follow each other: damaged");
    end = place.second;
  }
  if (start + end != file_.size()) fail("the file is longer than its tensors: damaged");
}

TableFile::Place TableFile::add_tensor(const std::string& name, const Json& entry, std::size_t start) {
  Tensor tensor{nullptr, member(entry, "dtype").string("dtype"), {}};
  const Json &shape = member(entry, "shape"), &place = member(entry, "data_offsets");
  const std::size_t item = item_size(tensor.dtype);
  std::size_t size = item;  // of what is not empty
  bool is_empty = false, fits = item != 0 && entry.members.size() == 3 && shape.kind == Json::Kind::kArray &&
                                shape.members.size() <= kMaxDimensions && place.kind == Json::Kind::kArray &&
                                place.members.size() == 2;
  if (!fits) fail("tensor " + name + " is not described as it should be: damaged");
  for (const auto& [none, length] : shape.members) {
    tensor.shape.push_back(size_of(length, "a shape"));
    is_empty = is_empty || tensor.shape.back() == 0;
    const std::size_t factor = std::max(tensor.shape.back(), std::size_t{1});
    fits = fits && factor <= kMaxElements && size / item <= kMaxElements / factor;
    if (fits) size *= factor;
  }
  const std::size_t begin = size_of(place.members[0].second, "a place"),
                    end = size_of(place.members[1].second, "a place");
  fits = fits && begin <= end && end - begin == (is_empty ? 0 : size) && end <= file_.size() - start &&
         (start + begin) % item == 0;
  if (!fits) fail("tensor " + name + " does not lie in the file as it should: damaged or truncated");
  tensor.data = file_.data() + start + begin;
  tensors_.emplace(name, std::move(tensor));
  return {begin, end};
}

const Json* TableFile::object(const char* name) const {
  const Json* found = facts_.find(name);
  if (!found || found->is_null()) return nullptr;
  if (found->kind != Json::Kind::kObject) fail(std::string(name) + " is not the object that it should be: damaged");
  return found;
}

bool TableFile::has_any(const std::string& prefix) const {
  const auto next = tensors_.lower_bound(prefix);
  return next != tensors_.end() && next->first.compare(0, prefix.size(), prefix) == 0;
}

void TableFile::check_object(const char* name, bool is_optional) const {
  if (!object(name) && !is_optional) fail(std::string(name) + " is missing, or not the object that it should be");
}

void TableFile::check_made_by() const {
  check_object("made_by", false);
  const Json* parameters = facts_.find("made_by")->find("parameters");
  if (parameters && parameters->kind != Json::Kind::kObject) fail("made_by is not as it should be: damaged");
}

double TableFile::real_fact(const char* object, const char* name, double minimum) const {
  check_object(object, false);
  return real_of(*facts_.find(object), name, minimum);
}

double TableFile::real_fact(const char* name, double minimum) const { return real_of(facts_, name, minimum); }

bool TableFile::is_zero(const char* object, const char* name) const {
  const Json* whole = facts_.find(object);
  const Json* found = whole ? whole->find(name) : nullptr;
  return found && found->kind == Json::Kind::kNumber && found->text == "0";
}

std::string TableFile::kind() const { return member(facts_, "kind").string("kind"); }

std::size_t TableFile::fact(const char* name) const { return size_of(member(facts_, name), name); }

std::size_t TableFile::fact(const char* object, const char* name) const {
  check_object(object, false);
  return size_of(member(*facts_.find(object), name), name);
}

const Tensor& TableFile::tensor(const char* name, std::initializer_list<const char*> dtypes,
                                std::initializer_list<std::size_t> shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(std::string("tensor ") + name + " is missing");
  const Tensor& tensor = found->second;
  const bool fits = std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end(),
                               [](std::size_t want, std::size_t have) { return want == kAny || want == have; });
  if (!fits || std::find(dtypes.begin(), dtypes.end(), tensor.dtype) == dtypes.end()) {
    fail(std::string("tensor ") + name + " has another type or shape than it should: damaged");
  }
  return tensor;
}

}  // namespace slimvec
