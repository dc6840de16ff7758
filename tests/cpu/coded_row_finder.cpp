// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rows of every arrangement of parts are found where `coded_tensor::row` says they are.

#include "battery/context.hpp"
#include "battery/quant_ops.hpp"

#include <dsr1/cpu/coded_row_finder.hpp>

using namespace dsr1;

TEST_CASE("coded_row_finder: every row of every arrangement, and runs at even distances") {
  for (const coding_info& info : codings)
    for (const index_t count : {1, 2, 3})
      for (const bool alternating : {false, true}) {
        const bool blocks = info.block_rows > 1;
        if (blocks && alternating && count > 1) continue;
        const index_t rows = blocks ? count * 128 : 42;
        auto w = battery::weights(info.type, 2, rows, 64);
        if (count > 1) w = battery::in_parts(w, count, alternating);
        INFO(info.name << ", " << count << " parts, "
                       << (alternating ? "alternating" : "in a row"));
        for (index_t m = 0; m < 2; ++m) {
          const coded_row_finder find(w, m);
          for (index_t r = 0; r < rows; ++r) {
            REQUIRE(find(r).codes == w.row(m, r).codes);
            REQUIRE(find(r).scales == w.row(m, r).scales);
          }
          for (index_t r = 0; r < rows;) {
            const simd::coded_rows_run run = find.run(r, rows - r);
            REQUIRE(run.count == std::min<index_t>(4, rows - r));
            REQUIRE((run.fours >= 1 && r + 4 * (run.fours - 1) + run.count <= rows));
            for (index_t f = 0; f < run.fours; ++f)
              for (int i = 0; i < run.count; ++i) {
                const coded_row expected = w.row(m, r + 4 * f + i);
                REQUIRE(run.row[i].codes + f * run.code_step == expected.codes);
                if (expected.scales)
                  REQUIRE(run.row[i].scales + f * run.scale_step == expected.scales);
              }
            r += 4 * (run.fours - 1) + run.count;
          }
        }
      }
}

TEST_CASE("coded_row_finder: tasks are 32 to 128 KiB of codes, several for every thread") {
  coded_tensor w{.type = coding::mxfp4, .rows = 1536, .columns = 1024};
  CHECK(coded_task_rows(w, 4 * 1536, 2, 8) == 256);  // a share would be 196 KiB
  CHECK(coded_task_rows(w, 1536, 2, 8) == 96);       // an eighth of a half of it
  CHECK(coded_task_rows(w, 64, 16, 8) == 64);        // never less than 32 KiB
  w.columns = 1 << 20;
  CHECK(coded_task_rows(w, 1536, 2, 8) == 8);  // but eight rows
  w.columns = 32;
  CHECK(coded_task_rows(w, 1 << 20, 2, 8) == 512);          // and no more than 512
  w = {.type = coding::int8, .rows = 40, .columns = 8192};  // four rows are 32 KiB
  for (const index_t tile : {4, 8, 16}) CHECK(coded_task_rows(w, 40, 2, tile) == tile);
  w.columns = 2880;
  CHECK(coded_task_rows(w, 512, 16, 16) == 16);  // eleven rows are 32 KiB
}
