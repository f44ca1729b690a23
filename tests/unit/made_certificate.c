/* SPDX-License-Identifier: Apache-2.0 */
#include "made_certificate.h"

#include <stdlib.h>
#include <string.h>

static json_t *knob(const char *name, const char *tier)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s}}", "knob", name, "tier",
                     tier, "accepted", "answer", "yes", "detail", "reads back", "effective",
                     "answer", "yes", "detail", "it is", "quiet", "answer", "yes", "detail",
                     "irq:LOC +0");
}

static json_t *row(const char *name)
{
    return json_pack("{s:s, s:i, s:s}", "row", name, "count", 0, "means", "something");
}

json_t *made_certificate(void)
{
    json_t *all = json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:f, s:b, s:[], s:[], s:[], s:s}",
                            "certificate", 5, "issued", "2026-01-02T03:04:05Z", "verdict", "quiet",
                            "statement", "For 60 s nothing.", "cpu", 3, "pid", 4242, "seconds",
                            60.0, "long_enough", 0, "causes", "limits", "not_seen",
                            "machine_identity", "00112233445546778899aabbccddeeff");

    json_object_set_new(all, "machine",
                        json_pack("{s:s, s:s, s:s, s:b}", "cpu", "Imaginary 9000", "firmware",
                                  "1.0", "microcode", "0x11", "virtual", 0));
    json_object_set_new(all, "kernel",
                        json_pack("{s:s, s:s, s:s}", "release", "6.1.0-1", "command_line",
                                  "quiet nohz_full=3 isolcpus=3", "boot_id", "a"));
    json_object_set_new(all, "partition",
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}", "name",
                                  "fast", "file", "/etc/fast.conf", "quiet_cpus", "3", "config",
                                  "[partition]\ncpus = 3\n", "level", "boot tier", "journal",
                                  "knob", "thp", "target", "/sys/thp", "old", "always", "new",
                                  "never"));
    json_object_set_new(all, "worker",
                        json_pack("{s:i, s:s, s:s, s:[s]}", "pid", 4242, "program", "/bin/worker",
                                  "sha256", "00", "arguments", "worker"));
    json_object_set_new(all, "ports",
                        json_pack("[{s:s, s:s, s:s, s:b}]", "port", "0000:01:00.0", "path",
                                  "device", "caller", "none", "link", 1));
    json_object_set_new(all, "command",
                        json_pack("{s:s, s:s}", "aether", "0.1.0", "way", "started by it"));
    json_object_set_new(all, "knobs",
                        json_pack("[o, o]", knob("tick", "boot"), knob("thp", "run-time")));
    json_object_set_new(all, "rows",
                        json_pack("[o, o, o, o, o]", row("irq:LOC"), row("irq:34"),
                                  row("softirq:TIMER"), row("sched:slices"),
                                  row("task:minor page faults")));
    json_object_set_new(all, "gaps",
                        json_pack("{s:b, s:s, s:f, s:i, s:i, s:i, s:i, s:i, s:i, s:[{s:i, s:i}]}",
                                  "measured", 1, "how", "by a loop", "seconds", 5.0, "threshold_ns",
                                  1000, "gaps", 100, "p50_ns", 2000, "p99_ns", 5000, "p99_9_ns",
                                  8000, "longest_ns", 10000, "histogram", "from_ns", 1024, "gaps",
                                  100));
    return all;
}

static json_t *step(json_t *at, const char *name)
{
    return json_is_array(at) ? json_array_get(at, (size_t)atoi(name)) : json_object_get(at, name);
}

void made_change(json_t *certificate, const char *path, json_t *value)
{
    char text[128], *next = text, *name;
    json_t *at = certificate;

    strncpy(text, path, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    name = strsep(&next, "/");
    for (; next; name = strsep(&next, "/"))
        at = step(at, name);
    if (!at)
        abort();
    if (!value)
        json_is_array(at) ? json_array_remove(at, (size_t)atoi(name)) : json_object_del(at, name);
    else if (!json_is_array(at))
        json_object_set_new(at, name, value);
    else if (strcmp(name, "+") == 0)
        json_array_append_new(at, value);
    else
        json_array_set_new(at, (size_t)atoi(name), value);
}

int made_parse(struct ae_certificate **certificate, json_t *json, struct ae_error *err)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY);
    int rc = ae_certificate_parse(certificate, text, strlen(text), err);

    free(text);
    json_decref(json);
    return rc;
}
