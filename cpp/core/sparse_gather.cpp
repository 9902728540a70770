#include "core/sparse_gather.hpp"

#include <algorithm>

namespace slimvec {

namespace {

// Ids whose offsets, and whose entries, are asked for ahead of use: two steps, because the second needs the first.
constexpr std::size_t kOffsetsAhead = 16;
constexpr std::size_t kEntriesAhead = 8;
constexpr std::size_t kBagsAtOnce = 64;  // divided between two looks at whether to stop

// Collects the entries of output rows and hands them to the kernel many rows at a time. Everything lies on the stack:
// looking up one row allocates nothing. An output row of more entries than fit is gathered in pieces.
class Stage {
 public:
  Stage(const Kernels& isa, const SparseRows& rows, const Anchors& anchors, Interrupt& interrupt, float* out)
      : isa_(isa), rows_(rows), anchors_(anchors), interrupt_(interrupt), out_(out) {}

  // Adds scale * row `id` of the table to the output row at hand.
  void add(std::int64_t id, float scale) {
    const Range stored = range_of(rows_, checked_row(id, rows_.n_rows));
    const std::size_t n_entries = rows_.is_packed() ? packed_entries(stored.size()) : stored.size();
    std::uint32_t column = 0;
    for (std::size_t first = 0, n = 0; first < n_entries; first += n) {
      if (n_entries_ == kMaxEntries) flush_part();
      n = std::min(n_entries - first, kMaxEntries - n_entries_);
      if (rows_.is_packed()) {
        unpack_entries(isa_, rows_, stored, first, n, column, indices_ + n_entries_, weights_ + n_entries_);
      } else {
        const Range some = {stored.begin + first, stored.begin + first + n};
        copy_indices(rows_, some, indices_ + n_entries_);
        copy_values(isa_, rows_, some, weights_ + n_entries_);
      }
      if (scale != 1.0f) scale_weights(n, scale);
      n_entries_ += n;
    }
  }

  // Ends the output row at hand.
  void next() {
    starts_[++n_outputs_] = static_cast<std::uint32_t>(n_entries_);
    // A row that was begun in an earlier piece is added to, others start from 0: they go to the kernel apart. A stage
    // that is nearly full goes too, so that rows of ordinary length are not cut.
    if (n_outputs_ == kMaxOutputs || continues_ || n_entries_ > kMaxEntries - kMaxEntries / 4) flush();
  }

  void flush() {
    if (n_outputs_ == 0) return;
    gather(n_outputs_, continues_, out_);
    out_ += n_outputs_ * anchors_.d;
    n_outputs_ = n_entries_ = 0;
    continues_ = false;
  }

 private:
  static constexpr std::size_t kMaxEntries = 1024;
  static constexpr std::size_t kMaxOutputs = 64;

  void scale_weights(std::size_t n, float scale) {
    for (float* weight = weights_ + n_entries_; weight < weights_ + n_entries_ + n; ++weight) *weight *= scale;
  }

  // Empties a full stage in the middle of an output row.
  void flush_part() {
    const std::size_t n_complete = n_outputs_;
    starts_[n_complete + 1] = static_cast<std::uint32_t>(n_entries_);
    if (!continues_) {
      gather(n_complete + 1, false, out_);
    } else {
      gather(1, true, out_);  // next() flushes after a continued row, so none is complete
    }
    out_ += n_complete * anchors_.d;
    n_outputs_ = n_entries_ = 0;
    continues_ = true;
  }

  void gather(std::size_t n_rows, bool add, float* out) {
    interrupt_.check();
    if (anchors_.is_half) {
      isa_.gather_f16(static_cast<const std::uint16_t*>(anchors_.values), anchors_.stride, anchors_.d, indices_,
                      weights_, starts_, n_rows, add, out);
    } else {
      isa_.gather_f32(static_cast<const float*>(anchors_.values), anchors_.stride, anchors_.d, indices_, weights_,
                      starts_, n_rows, add, out);
    }
  }

  const Kernels& isa_;
  const SparseRows rows_;
  const Anchors anchors_;
  Interrupt& interrupt_;
  float* out_;
  std::size_t n_entries_ = 0, n_outputs_ = 0;
  bool continues_ = false;
  std::uint32_t indices_[kMaxEntries];
  float weights_[kMaxEntries];
  std::uint32_t starts_[kMaxOutputs + 1] = {};
};

void prefetch_ahead(const SparseRows& rows, const std::int64_t* ids, std::size_t n_ids, std::size_t i) {
  if (i + kOffsetsAhead < n_ids) prefetch_offsets(rows, ids[i + kOffsetsAhead]);
  if (i + kEntriesAhead < n_ids) prefetch_entries(rows, ids[i + kEntriesAhead]);
}

}  // namespace

void sparse_lookup(const Kernels& isa, const SparseRows& rows, const Anchors& anchors, const std::int64_t* ids,
                   std::size_t n_ids, Interrupt& interrupt, float* out) {
  Stage stage(isa, rows, anchors, interrupt, out);
  for (std::size_t i = 0; i < n_ids; ++i) {
    prefetch_ahead(rows, ids, n_ids, i);
    stage.add(ids[i], 1.0f);
    stage.next();
  }
  stage.flush();
}

void sparse_bag_mean(const Kernels& isa, const SparseRows& rows, const Anchors& anchors, const std::int64_t* ids,
                     std::size_t n_ids, const std::int64_t* offsets, std::size_t n_bags, const float* weights,
                     Interrupt& interrupt, float* out) {
  Stage stage(isa, rows, anchors, interrupt, out);
  for (std::size_t bag = 0; bag < n_bags; ++bag) {
    const std::int64_t begin = offsets[bag], end = offsets[bag + 1];
    if (begin < 0 || end < begin || static_cast<std::uint64_t>(end) > n_ids) {
      throw std::invalid_argument("offsets must not fall and must stay within the ids");
    }
    for (std::size_t i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      prefetch_ahead(rows, ids, n_ids, i);
      stage.add(ids[i], weights ? weights[i] : 1.0f);
    }
    stage.next();
  }
  stage.flush();
  for (std::size_t bag = 0; bag < n_bags; ++bag, out += anchors.d) {
    if (bag % kBagsAtOnce == 0) interrupt.check();
    double total = 0;
    for (std::int64_t i = offsets[bag]; i < offsets[bag + 1]; ++i) total += weights ? weights[i] : 1.0f;
    const float divisor = static_cast<float>(total);
    for (std::size_t c = 0; c < anchors.d; ++c) out[c] = divisor != 0.0f ? out[c] / divisor : 0.0f;
  }
}

}  // namespace slimvec
