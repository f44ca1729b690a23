/* SPDX-License-Identifier: Apache-2.0 */

/* What stands still while the worker runs: machine, kernel, and the partition as it was set up. */

#include "proof/certificate/certificate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/trusted.h"
#include "machine/check.h"
#include "machine/identity.h"
#include "partition/journal.h"
#include "partition/partition.h"

static void add_hypervisor(struct ae_certificate *certificate, json_t *machine)
{
    struct ae_finding finding;

    memset(&finding, 0, sizeof(finding));
    ae_check_hypervisor(&finding);
    if (finding.answer != AE_CHECK_UNSEEN)
        json_object_set_new(machine, "virtual", json_boolean(finding.answer == AE_CHECK_LACKS));
    if (finding.answer == AE_CHECK_LACKS)
        ae_certificate_limit(certificate,
                             "a virtual machine: when its hypervisor takes the CPU away "
                             "no counter of this kernel tells");
}

void ae_certificate_add_machine(struct ae_certificate *certificate)
{
    json_t *groups = json_pack("{s:{}, s:{}}", "machine", "kernel");
    struct ae_identity_fact fact;
    char *text = malloc(AE_IDENTITY_TEXT);

    for (size_t i = 0; text && ae_identity_describe(i, &fact) == 0; i++)
        if (ae_identity_read(i, text, AE_IDENTITY_TEXT) == 0)
            json_object_set_new(json_object_get(groups, fact.group), fact.name,
                                ae_certificate_string(text));
    free(text);
    add_hypervisor(certificate, json_object_get(groups, "machine"));
    json_object_update(certificate->all, groups);
    json_decref(groups);
}

static json_t *journal_json(const char *name, struct ae_error *err)
{
    struct ae_journal journal;
    json_t *entries;

    if (ae_journal_read(&journal, name, err))
        return NULL;
    entries = json_array();
    for (size_t i = 0; i < journal.count; i++) {
        const struct ae_journal_entry *entry = &journal.entries[i];

        json_array_append_new(
            entries,
            json_pack("{s:s, s:o, s:o, s:o}", "knob", entry->knob, "target",
                      ae_certificate_string(entry->target), "old",
                      ae_certificate_string(entry->old_value), "new",
                      ae_certificate_string(entry->left ? entry->left : entry->new_value)));
    }
    ae_journal_close(&journal);
    return entries;
}

int ae_certificate_add_partition(struct ae_certificate *certificate, struct ae_error *err)
{
    struct ae_partition *partition;
    char quiet[AE_CPUS_TEXT] = "", *config = NULL;
    json_t *all, *journal;
    int rc = ae_partition_load(&partition, certificate->partition, err);

    if (rc)
        return rc;
    if (!ae_cpus_has(&partition->quiet, (unsigned)certificate->cpu)) {
        ae_partition_free(partition);
        return ae_error_set(err, -EINVAL, "CPU %d is no quiet CPU of partition %s",
                            certificate->cpu, certificate->partition);
    }
    ae_partition_quiet_cpus(partition, quiet, sizeof(quiet));
    /* As the partition itself was read: by nobody's word but root's. */
    if (ae_trusted_read(partition->path, &config, NULL) < 0)
        config = NULL;
    journal = journal_json(certificate->partition, NULL);
    all = json_pack("{s:s, s:s, s:s, s:o*}", "name", certificate->partition, "file",
                    partition->path, "quiet_cpus", quiet, "journal", journal);
    /* A comment in it may be in any encoding; JSON is in one. */
    if (json_object_set_new(all, "config", config ? json_string(config) : NULL))
        ae_certificate_limit(certificate, "%s is not UTF-8, so its text is not in here",
                             partition->path);
    json_object_set_new(certificate->all, "partition", all);
    if (!journal)
        ae_certificate_limit(certificate, "partition %s is not applied", certificate->partition);
    free(config);
    ae_partition_free(partition);
    return 0;
}
