// Parts of a mapped table that a search is about to read from here and there: while some are on a disk yet, all of them
// are asked for before the first is read, so that they come together, and nothing else does.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/partition_search.hpp"
#include "core/platform.hpp"
#include "core/refinement.hpp"

namespace slimvec {

// What searches of one table know of each other, from any thread.
class FromDisk {
 public:
  // One search: it asks if one of those before had to wait for the disk, or found pages missing, lately.
  class Search {
   public:
    explicit Search(FromDisk& table)
        : table_(table), asks_(table.left_.load(std::memory_order_relaxed) > 0), waited_(waits_for_disk()) {}
    ~Search() {
      const int left = table_.left_.load(std::memory_order_relaxed);
      const bool met = missed_ || waits_for_disk() != waited_;
      table_.left_.store(met ? kSearches : left > 0 ? left - 1 : 0, std::memory_order_relaxed);
    }
    Search(const Search&) = delete;
    Search& operator=(const Search&) = delete;

    // All that queries read of `which` lists, n_read of them each, with what is spilled, if anything is. Of all lists
    // nothing: they are read one after the other, and the system sees it.
    void want_lists(const BlockedCodes& codes, const Factors& factors, const Lists& lists, const Spilled* spilled,
                    const std::vector<std::int32_t>& which, std::size_t n_read);

    // Second codes of rows, -1 for none.
    void want_rows(const RowCodes& codes, const Refinement& numbers, const std::int64_t* rows, std::size_t n);

   private:
    static constexpr std::size_t kMost = 64 << 20;  // bytes: more may be gone again when they are read

    void want_list(const BlockedCodes& codes, const Factors& factors, const Lists& lists, std::int32_t which);

    void want(const void* data, std::size_t size) {
      wanted_ += size;
      if (wanted_ <= kMost) missed_ = read_ahead(data, size) || missed_;
    }

    FromDisk& table_;
    const bool asks_;
    const std::uint64_t waited_;
    std::size_t wanted_ = 0;
    bool missed_ = false;
  };

 private:
  static constexpr int kSearches = 64;  // asking costs some of the time of a search that misses nothing

  std::atomic<int> left_{kSearches};
};

}  // namespace slimvec
