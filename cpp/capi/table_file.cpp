#include "capi/table_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace slimvec {

namespace {

constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 20;

[[noreturn]] void fail(const std::string& reason) { throw std::runtime_error(reason); }

[[noreturn]] void fail_by_system() { fail(std::strerror(errno)); }  // NOLINT(concurrency-mt-unsafe)

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

}  // namespace

MappedFile::MappedFile(const char* path) {
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail_by_system();
  struct stat status = {};
  void* mapped = MAP_FAILED;
  if (fstat(descriptor, &status) == 0) {
    size_ = static_cast<std::size_t>(status.st_size);
    errno = EINVAL;
    if (S_ISREG(status.st_mode))
      mapped = mmap(nullptr, std::max(size_, std::size_t{1}), PROT_READ, MAP_SHARED, descriptor, 0);
  }
  const int error = errno;
  close(descriptor);
  errno = error;
  if (mapped == MAP_FAILED) fail_by_system();
  data_ = static_cast<const char*>(mapped);
}

MappedFile::~MappedFile() { munmap(const_cast<char*>(data_), std::max(size_, std::size_t{1})); }

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
  if (member(metadata, "format").string("format") != "slimvec") fail("it is no table of slimvec");
  const std::string& version = member(metadata, "format_version").string("format_version");
  if (version != "1") fail("its format version is " + version + "; this slimvec reads 1: update slimvec");
  facts_ = parse_json(member(metadata, "facts").string("facts"));
  for (const auto& [name, entry] : header.members) {
    if (name != "__metadata__") add_tensor(name, entry, start);
  }
}

void TableFile::add_tensor(const std::string& name, const Json& entry, std::size_t start) {
  Tensor tensor{nullptr, member(entry, "dtype").string("dtype"), {}};
  const Json &shape = member(entry, "shape"), &place = member(entry, "data_offsets");
  std::size_t size = item_size(tensor.dtype);
  bool fits = size != 0 && place.members.size() == 2;
  for (const auto& [none, length] : shape.members) {
    tensor.shape.push_back(length.integer("a shape"));
    fits = fits && !__builtin_mul_overflow(size, tensor.shape.back(), &size);
  }
  if (fits) {
    const std::uint64_t begin = place.members[0].second.integer("a place"),
                        end = place.members[1].second.integer("a place");
    fits = begin <= end && end - begin == size && end <= file_.size() - start &&
           (start + begin) % item_size(tensor.dtype) == 0;
    tensor.data = file_.data() + start + begin;
  }
  if (!fits) fail("tensor " + name + " does not lie in the file as it should: damaged or truncated");
  tensors_.emplace(name, std::move(tensor));
}

std::string TableFile::kind() const { return member(facts_, "kind").string("kind"); }

std::uint64_t TableFile::fact(const char* name) const { return member(facts_, name).integer(name); }

const Tensor& TableFile::tensor(const char* name, std::initializer_list<const char*> dtypes,
                                std::initializer_list<std::uint64_t> shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(std::string("tensor ") + name + " is missing");
  const Tensor& tensor = found->second;
  const bool fits = std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end(),
                               [](std::uint64_t want, std::uint64_t have) { return want == kAny || want == have; });
  if (!fits || std::find(dtypes.begin(), dtypes.end(), tensor.dtype) == dtypes.end()) {
    fail(std::string("tensor ") + name + " has another type or shape than it should: damaged");
  }
  return tensor;
}

}  // namespace slimvec
