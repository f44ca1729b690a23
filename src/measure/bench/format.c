/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/format.h"

#include "measure/bench/bench.h"

/* The schema counts characters, of up to four bytes. */
#define TEXT(from, to)                                             \
    {                                                              \
        .kind = AE_SHAPE_TEXT, .least = (from), .most = 4.0 * (to) \
    }
#define COUNT(from, to)                                       \
    {                                                         \
        .kind = AE_SHAPE_COUNT, .least = (from), .most = (to) \
    }
#define REAL(from, to)                                       \
    {                                                        \
        .kind = AE_SHAPE_REAL, .least = (from), .most = (to) \
    }
#define WORDS(...)                                            \
    {                                                         \
        .kind = AE_SHAPE_TEXT, .words = (const char *const[]) \
        {                                                     \
            __VA_ARGS__, NULL                                 \
        }                                                     \
    }
#define OBJECT(table)                               \
    {                                               \
        .kind = AE_SHAPE_OBJECT, .members = (table) \
    }
#define LIST(of, from, to)                                                   \
    {                                                                        \
        .kind = AE_SHAPE_LIST, .items = &(of), .least = (from), .most = (to) \
    }
#define MOST 9007199254740991.0 /* 2^53 - 1 */

const char *const ae_bench_hosts[AE_BENCH_HOSTS + 1] = {"quiet", "noisy", NULL};

static const struct ae_shape truth = {.kind = AE_SHAPE_TRUTH}, count = COUNT(0, MOST),
                             positive = REAL(0, MOST), text = TEXT(1, 500), any_text = TEXT(0, 500),
                             name = {.kind = AE_SHAPE_NAME, .least = 1, .most = 40},
                             word = TEXT(0, 4000), command = LIST(word, 1, 200),
                             round_number = COUNT(1, 1000), frame = COUNT(60, 65535),
                             host = {.kind = AE_SHAPE_TEXT, .words = ae_bench_hosts};

static const struct ae_shape count_or_null = {
    .kind = AE_SHAPE_COUNT, .or_null = true, .most = MOST};
static const struct ae_shape text_or_null = {.kind = AE_SHAPE_TEXT, .or_null = true, .most = 2000};
static const struct ae_shape command_or_null = {
    .kind = AE_SHAPE_LIST, .or_null = true, .items = &word, .least = 1, .most = 200};

static const struct ae_shape clock_source = WORDS("tsc", "clock_gettime");
static const struct ae_shape_member clock_members[] = {{"source", &clock_source},
                                                       {"invariant", &truth},
                                                       {"hz", &positive},
                                                       {"error_ppm", &positive},
                                                       {0}};
static const struct ae_shape parameters = TEXT(0, 4096), clock = OBJECT(clock_members);
static const struct ae_shape_member machine_members[] = {{"processor", &text},
                                                         {"hypervisor", &truth},
                                                         {"emulated", &truth},
                                                         {"cpus_online", &count},
                                                         {"quiet_cpu", &count},
                                                         {"kernel", &text},
                                                         {"kernel_parameters", &parameters},
                                                         {"clock", &clock},
                                                         {"noise", &command_or_null},
                                                         {0}};

static const struct ae_shape timestamps = WORDS("software", "card");
static const struct ae_shape_member wire_members[] = {{"name", &name},
                                                      {"what", &text},
                                                      {"card", &text_or_null},
                                                      {"driver", &text},
                                                      {"far_end", &text},
                                                      {"timestamps", &timestamps},
                                                      {0}};

static const struct ae_shape_member setting_members[] = {
    {"what", &text}, {"value", &any_text}, {"source", &text}, {0}};
static const struct ae_shape setting = OBJECT(setting_members), settings = LIST(setting, 0, 50),
                             title = TEXT(1, 60),
                             path = WORDS("device", "zero-copy", "copy", "kernel"),
                             caller = WORDS("none", "kernel", "owner", "worker");
static const struct ae_shape_member contender_members[] = {
    {"name", &name},         {"title", &title},
    {"wire", &name},         {"path", &path},
    {"caller", &caller},     {"runs", &truth},
    {"why", &any_text},      {"command", &command},
    {"settings", &settings}, {0}};

static const struct ae_shape floor_what = WORDS("cache_line", "gaps");
static const struct ae_shape_member floor_members[] = {
    {"what", &floor_what}, {"p50", &count}, {"p99_9", &count}, {"max", &count}, {0}};
static const struct ae_shape floor_shape = OBJECT(floor_members);
static const struct ae_shape_member round_members[] = {{"round", &round_number},
                                                       {"host", &host},
                                                       {"floor", &floor_shape},
                                                       {"refused", &text_or_null},
                                                       {0}};

static const struct ae_shape load_kind = WORDS("closed", "open", "bursts"),
                             percent = {.kind = AE_SHAPE_REAL, .or_null = true, .most = 100};
static const struct ae_shape_member load_members[] = {
    {"kind", &load_kind}, {"rate", &count}, {"percent", &percent}, {0}};
static const struct ae_shape_member latency_round_members[] = {
    {"round", &round_number}, {"sent", &count},   {"lost", &count}, {"count", &count},
    {"min", &count},          {"p50", &count},    {"p90", &count},  {"p99", &count},
    {"p99_9", &count},        {"p99_99", &count}, {"max", &count},  {0}};
static const struct ae_shape_member slots_members[] = {
    {"slot_ns", &(const struct ae_shape)COUNT(1, 1e12)},
    {"max", &(const struct ae_shape)LIST(count_or_null, 0, AE_BENCH_SLOTS)},
    {0}};
static const struct ae_shape load = OBJECT(load_members), bucket = LIST(count, 2, 2),
                             buckets = LIST(bucket, 1, AE_BENCH_BUCKETS),
                             slots = OBJECT(slots_members),
                             latency_round = OBJECT(latency_round_members),
                             latency_rounds = LIST(latency_round, 1, AE_BENCH_ROUNDS);
static const struct ae_shape_member latency_members[] = {
    {"contender", &name},        {"host", &host},         {"load", &load},       {"frame", &frame},
    {"rounds", &latency_rounds}, {"histogram", &buckets}, {"over_time", &slots}, {0}};

static const struct ae_shape rate = REAL(0, 1e12);
static const struct ae_shape_member rate_members[] = {
    {"round", &round_number}, {"rate", &rate}, {0}};
static const struct ae_shape work = WORDS("loss_free", "receive", "send", "echo"),
                             rate_round = OBJECT(rate_members),
                             rates = LIST(rate_round, 1, AE_BENCH_ROUNDS);
static const struct ae_shape_member throughput_members[] = {{"contender", &name}, {"host", &host},
                                                            {"work", &work},      {"frame", &frame},
                                                            {"rounds", &rates},   {0}};

static const struct ae_shape verdict = WORDS("quiet", "disturbed", "incomplete", "none");
static const struct ae_shape_member certificate_members[] = {
    {"contender", &name},        {"host", &host},
    {"verdict", &verdict},       {"seconds", &positive},
    {"entries", &count_or_null}, {"frames", &count_or_null},
    {"file", &text_or_null},     {0}};

static const struct ae_shape kind = WORDS("latency", "throughput", "compare"),
                             at = {.kind = AE_SHAPE_TEXT, .least = 20, .most = 20},
                             ended = WORDS("whole", "interrupted", "time"), format = COUNT(1, MOST),
                             machine = OBJECT(machine_members), wire = OBJECT(wire_members),
                             wires = LIST(wire, 1, AE_BENCH_WIRES),
                             contender = OBJECT(contender_members),
                             contenders = LIST(contender, 1, AE_BENCH_CONTENDERS),
                             one_round = OBJECT(round_members),
                             rounds = LIST(one_round, 0, AE_BENCH_ROUNDS),
                             latency = OBJECT(latency_members),
                             latencies = LIST(latency, 0, AE_BENCH_EACH),
                             throughput = OBJECT(throughput_members),
                             throughputs = LIST(throughput, 0, AE_BENCH_EACH),
                             certificate = OBJECT(certificate_members),
                             certificates = LIST(certificate, 0, AE_BENCH_EACH);
static const struct ae_shape_member members[] = {{"benchmark", &format},
                                                 {"kind", &kind},
                                                 {"made_by", &text},
                                                 {"at", &at},
                                                 {"seconds", &positive},
                                                 {"command", &command},
                                                 {"ended", &ended},
                                                 {"machine", &machine},
                                                 {"wires", &wires},
                                                 {"contenders", &contenders},
                                                 {"rounds", &rounds},
                                                 {"latency", &latencies},
                                                 {"throughput", &throughputs},
                                                 {"certificates", &certificates},
                                                 {0}};
const struct ae_shape ae_bench_format = OBJECT(members);
