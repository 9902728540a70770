#include "bindings/arrays.hpp"
#include "core/vocabulary.hpp"

namespace slimvec {

namespace {

const char* characters(const ByteArray& text) { return reinterpret_cast<const char*>(text.data()); }

Words check_words(const ByteArray& text, const IdArray& offsets) {
  require(text.ndim() == 1 && offsets.ndim() == 1 && size_of(offsets, 0) >= 1,
          "text and offsets must be one-dimensional, with one offset more than words");
  return {characters(text), size_of(text, 0), elements(offsets), size_of(offsets, 0) - 1};
}

std::size_t check_slots(const WordArray& slots, std::size_t n_words) {
  require(slots.ndim() == 1 && size_of(slots, 0) > n_words, "slots must be one-dimensional, and more than the words");
  require(size_of(slots, 0) < kNoRow, "there are too many words for 32-bit rows");
  elements(slots);  // aligned
  return size_of(slots, 0);
}

std::int64_t find(const ByteArray& text, const IdArray& offsets, const WordArray& slots, const py::bytes& word) {
  const Words words = check_words(text, offsets);
  const std::size_t n_slots = check_slots(slots, words.n_words);
  return find_word(words, {const_cast<std::uint32_t*>(slots.data()), n_slots}, std::string_view(word));
}

std::int64_t index(const ByteArray& text, const IdArray& offsets, WordArray& slots) {
  const Words words = check_words(text, offsets);
  const Slots out = {slots.mutable_data(), check_slots(slots, words.n_words)};
  py::gil_scoped_release unlocked;
  return index_words(words, out);
}

ByteArray append(ByteArray& text, IdArray& offsets, std::size_t n_words, WordArray& slots, const ByteArray& new_text,
                 const IdArray& new_offsets) {
  const Words added = check_words(new_text, new_offsets);
  const Words store = check_words(text, offsets);
  require(n_words <= store.n_words && added.n_words <= store.n_words - n_words, "offsets has no room for the words");
  const std::int64_t used = store.offsets[n_words];
  require(used >= 0 && static_cast<std::size_t>(used) <= store.text_size &&
              added.text_size <= store.text_size - static_cast<std::size_t>(used),
          "text has no room for the words");
  const Slots into = {slots.mutable_data(), check_slots(slots, n_words + added.n_words)};
  ByteArray kept(static_cast<py::ssize_t>(added.n_words));
  char* text_out = reinterpret_cast<char*>(text.mutable_data());
  std::int64_t* offsets_out = offsets.mutable_data();
  std::uint8_t* kept_out = kept.mutable_data();
  py::gil_scoped_release unlocked;
  append_words(text_out, offsets_out, n_words, into, added, kept_out);
  return kept;
}

}  // namespace

void bind_vocabulary(py::module_& module) {
  using py::arg;
  module.def("find_word", &find, arg("text").noconvert(), arg("offsets").noconvert(), arg("slots").noconvert(),
             arg("word"));
  module.def("index_words", &index, arg("text").noconvert(), arg("offsets").noconvert(), arg("slots").noconvert());
  module.def("append_words", &append, arg("text").noconvert(), arg("offsets").noconvert(), arg("n_words"),
             arg("slots").noconvert(), arg("new_text").noconvert(), arg("new_offsets").noconvert());
}

}  // namespace slimvec
