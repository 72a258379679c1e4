/*
 * fields.h - the names of what a result holds, each in this one place; results/schema.json says what they mean.
 *
 * A figure's unit is part of its name.
 */
#ifndef HEAPBENCH_FIELDS_H
#define HEAPBENCH_FIELDS_H

#define RESULT_SCHEMA 1 /* raised when a field changes its meaning or goes */

/* A row. */
#define FIELD_SCHEMA    "schema"
#define FIELD_TIME      "time"
#define FIELD_TRACE     "trace"
#define FIELD_ALLOCATOR "allocator"
#define FIELD_PAGES     "pages"
#define FIELD_PASS      "pass"
#define FIELD_RUN       "run"
#define FIELD_TURN      "turn"
#define FIELD_STATUS    "status"
#define FIELD_REASON    "reason"
#define FIELD_OP        "op"
#define FIELD_SETTINGS  "settings"
#define FIELD_FIGURES   "figures"
#define FIELD_MISSING   "missing"
#define FIELD_HOST      "host"

/* A trace, an allocator, a page source. */
#define FIELD_NAME        "name"
#define FIELD_HASH        "hash"
#define FIELD_OPS         "ops"
#define FIELD_THREADS     "threads"
#define FIELD_PEAK_LIVE   "peak_live_bytes"
#define FIELD_PEAK_BLOCKS "peak_live_blocks"
#define FIELD_TRUNCATED   "truncated"
#define FIELD_SPEC        "spec"
#define FIELD_OPTIONS     "options"
#define FIELD_ARENA       "arena_bytes"

/* An op. */
#define FIELD_INDEX "index"
#define FIELD_KIND  "kind"
#define FIELD_SIZE  "size_bytes"
#define FIELD_ALIGN "align_bytes"

/* How a run was set up. */
#define FIELD_TOUCH       "touch"
#define FIELD_WARMUPS     "warmups"
#define FIELD_SEED        "seed"
#define FIELD_CPU         "cpu"
#define FIELD_PINNED      "pinned"
#define FIELD_REALTIME    "realtime"
#define FIELD_RANDOMIZED  "address_randomisation"
#define FIELD_ARENA_FIXED "arena_at_fixed_address"
#define FIELD_RUNNER      "runner"
#define FIELD_GUARD       "guard"
#define FIELD_PLANT       "plant"

/* Figures of the throughput pass. */
#define FIELD_NS_PER_OP       "ns_per_op"
#define FIELD_NS_PER_OP_LEAST "ns_per_op_least"
#define FIELD_OPS_PER_S       "ops_per_s"
#define FIELD_FLOOR           "floor_ns_per_op"
#define FIELD_ABOVE_FLOOR     "above_floor_ns_per_op"
#define FIELD_WALL_NS_PER_OP  "wall_ns_per_op"
#define FIELD_REPETITIONS_NS  "repetitions_ns"

/* Figures of the latency pass. */
#define FIELD_P50              "p50_ns"
#define FIELD_P99              "p99_ns"
#define FIELD_P999             "p99_9_ns"
#define FIELD_MAX              "max_ns"
#define FIELD_MAX_OP           "max_op"
#define FIELD_WORST            "worst_of_least_ns"
#define FIELD_WORST_OP         "worst_of_least_op"
#define FIELD_WORST_RUNS       "worst_of_least_runs"
#define FIELD_HISTOGRAM        "histogram"
#define FIELD_HISTOGRAM_ERROR  "relative_error"
#define FIELD_HISTOGRAM_COUNTS "upto_ns_and_count"
#define FIELD_CLOCK            "clock"
#define FIELD_CLOCK_COST       "clock_cost_ns"
#define FIELD_CLOCK_RESOLUTION "clock_resolution_ns"

/* Figures of the space pass. */
#define FIELD_REQUESTED_PEAK          "requested_peak_bytes"
#define FIELD_GRANTED_AT_PEAK         "granted_at_peak_bytes"
#define FIELD_GRANTED_PEAK            "granted_peak_bytes"
#define FIELD_HELD_AT_PEAK            "held_at_peak_bytes"
#define FIELD_HELD_PEAK               "held_peak_bytes"
#define FIELD_HELD_END                "held_at_end_bytes"
#define FIELD_TOUCHED_AT_PEAK         "touched_at_peak_bytes"
#define FIELD_TOUCHED_PEAK            "touched_peak_bytes"
#define FIELD_TOUCHED_END             "touched_at_end_bytes"
#define FIELD_FREE_AT_PEAK            "free_at_peak_bytes"
#define FIELD_FREE_BLOCKS_AT_PEAK     "free_at_peak_blocks"
#define FIELD_METADATA                "metadata_at_peak_bytes"
#define FIELD_HELD_RATIO              "held_peak_per_requested_peak"
#define FIELD_TOUCHED_RATIO           "touched_peak_per_requested_peak"
#define FIELD_INTERNAL                "internal_fragmentation_at_peak"
#define FIELD_INTERNAL_MAX            "internal_fragmentation_max"
#define FIELD_EXTERNAL                "external_fragmentation_at_peak"
#define FIELD_EXTERNAL_MAX            "external_fragmentation_max"
#define FIELD_FRAGMENTATION_1_HELD    "fragmentation_1_held"
#define FIELD_FRAGMENTATION_2_HELD    "fragmentation_2_held"
#define FIELD_FRAGMENTATION_3_HELD    "fragmentation_3_held"
#define FIELD_FRAGMENTATION_4_HELD    "fragmentation_4_held"
#define FIELD_FRAGMENTATION_1_TOUCHED "fragmentation_1_touched"
#define FIELD_FRAGMENTATION_2_TOUCHED "fragmentation_2_touched"
#define FIELD_FRAGMENTATION_3_TOUCHED "fragmentation_3_touched"
#define FIELD_FRAGMENTATION_4_TOUCHED "fragmentation_4_touched"
#define FIELD_SAMPLES                 "samples"
#define FIELD_SAMPLE_OP               "op_index"
#define FIELD_REQUESTED               "requested_bytes"
#define FIELD_GRANTED                 "granted_bytes"
#define FIELD_HELD                    "held_bytes"
#define FIELD_TOUCHED                 "touched_bytes"
#define FIELD_FREE                    "free_bytes"
#define FIELD_FREE_LARGEST            "free_largest_bytes"
#define FIELD_FREE_BLOCKS             "free_blocks"
#define FIELD_HEAP_MAP                "heap_map"
#define FIELD_MAP_BIN_BYTES           "bin_bytes"
#define FIELD_MAP_LOWEST              "lowest_address"
#define FIELD_MAP_BINS                "bin_index"
#define FIELD_MAP_LIVE                "live_of_255"

/* Figures of the arena pass. */
#define FIELD_SMALLEST_ARENA       "smallest_arena_bytes"
#define FIELD_SMALLEST_ARENA_RATIO "smallest_arena_per_requested_peak"
#define FIELD_LARGEST_FAILED_ARENA "largest_failed_arena_bytes"
#define FIELD_MONOTONIC            "monotonic"
#define FIELD_PROBES               "probes"

/* Figures of the verify pass. */
#define FIELD_BLOCKS_CHECKED "blocks_checked"
#define FIELD_BYTES_CHECKED  "bytes_checked"
#define FIELD_HEAP_CHECKS    "heap_checks"
#define FIELD_HEAP_WALKS     "heap_walks"

/* Figures of the instruction pass: of each kind of op, under its name. */
#define FIELD_INSTRUCTION_SET         "instruction_set"
#define FIELD_INSTRUCTIONS            "instructions"
#define FIELD_MEAN_INSTRUCTIONS       "mean_instructions"
#define FIELD_P50_INSTRUCTIONS        "p50_instructions"
#define FIELD_P99_INSTRUCTIONS        "p99_instructions"
#define FIELD_P999_INSTRUCTIONS       "p99_9_instructions"
#define FIELD_WORST_INSTRUCTIONS      "worst_instructions"
#define FIELD_WORST_INSTRUCTIONS_OP   "worst_op"
#define FIELD_PAGES_MEAN_INSTRUCTIONS "pages_mean_instructions"
#define FIELD_PAGES_MAX_INSTRUCTIONS  "pages_worst_instructions"

/* The host. */
#define FIELD_CPU_MODEL    "cpu_model"
#define FIELD_CPUS         "cpus"
#define FIELD_ARCHITECTURE "architecture"
#define FIELD_GOVERNOR     "governor"
#define FIELD_CLOCK_SOURCE "clock_source"
#define FIELD_KERNEL       "kernel"
#define FIELD_PAGE         "page_bytes"
#define FIELD_COMPILER     "compiler"
#define FIELD_FLAGS        "flags"
#define FIELD_VERSION      "version"
#define FIELD_REVISION     "revision"
#define FIELD_NOISE_SHARE  "noise_share"
#define FIELD_NOISE_WORST  "noise_worst_ns"
#define FIELD_NOISE_PROBE  "noise_probe_ns"

#endif
