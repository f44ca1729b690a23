/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/root.h"
#include "made_root.h"
#include "partition/boot/boot.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PARAMETERS "nohz_full=2-3 isolcpus=managed_irq,domain,2-3"
#define GRUB       "/etc/default/grub"
#define DROP_IN    "/etc/default/grub.d/zz-aether.cfg"
#define GRUB_CFG   "/boot/grub/grub.cfg"
#define CMDLINE    "/etc/kernel/cmdline"
#define ENTRY      "/boot/loader/entries/a.conf"
#define CPU        "/sys/devices/system/cpu"

static const char drop_in[] =
    "# Written by \"aether partition boot apply\", taken away by \"aether partition boot "
    "remove\".\n"
    "# Takes effect with update-grub and a reboot; recovery entries do without.\n"
    "GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT} " PARAMETERS "\"\n";

static int runs;         /* of the loader's command */
static int fail_runs;    /* fails this many of them */
static bool ignore_args; /* the command says yes and does nothing */
static char last_run[256];

/* The imitations of the loaders' commands. */

static void imitate_update_grub(void)
{
    const char *text = made_root_get(DROP_IN), *begin = text ? strchr(text, '}') : NULL;
    char line[2048];

    if (begin && !ignore_args)
        snprintf(line, sizeof(line), "menuentry 'x' {\n\tlinux\t/vmlinuz root=/dev/x ro %.*s\n}\n",
                 (int)strcspn(begin + 1, "\""), begin + 1);
    else
        snprintf(line, sizeof(line), "menuentry 'x' {\n\tlinux\t/vmlinuz root=/dev/x ro\n}\n");
    made_root_put(GRUB_CFG, line);
}

/* Like grubby: appends to, or takes out of, the options; adds a comment, to differ from what was
 * foreseen. */
static void imitate_grubby(const char *option)
{
    bool removing = strncmp(option, "--remove-args=", 14) == 0;
    const char *parameters = strchr(option, '=') + 1;
    char *text = strdup(made_root_get(ENTRY)), *options = strstr(text, "options "), *line, *edited;
    char out[2048];

    options += 8;
    line = strndup(options, strcspn(options, "\n"));
    if (ignore_args)
        edited = strdup(line);
    else if (removing)
        assert_int_equal(ae_cmdline_remove(line, parameters, &edited, NULL), 0);
    else
        assert_int_equal(ae_cmdline_merge(line, parameters, &edited, NULL), 0);
    snprintf(out, sizeof(out), "%.*s%s%s# grubby\n", (int)(options - text), text, edited,
             options + strlen(line));
    made_root_put(ENTRY, out);
    free(edited);
    free(line);
    free(text);
}

/* Like kernel-install: an entry of what is left of the file without its comments. */
static void imitate_kernel_install(const char *version)
{
    const char *text = made_root_get(CMDLINE);
    char path[256], out[4096], line[2048] = "";

    for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n')
        if (*text != '#')
            snprintf(line + strlen(line), sizeof(line) - strlen(line), "%.*s ",
                     (int)strcspn(text, "\n"), text);
    snprintf(path, sizeof(path), "/efi/loader/entries/%s.conf", version);
    snprintf(out, sizeof(out), "title Linux\nversion %s\noptions %s\n", version, line);
    made_root_put(path, out);
}

static int imitate(const char *const argv[], struct ae_error *err)
{
    size_t used = 0;

    runs++;
    last_run[0] = '\0';
    for (int i = 0; argv[i]; i++)
        used += (size_t)snprintf(last_run + used, sizeof(last_run) - used, "%s%s", i ? " " : "",
                                 argv[i]);
    if (fail_runs > 0) {
        fail_runs--;
        if (err)
            snprintf(err->text, sizeof(err->text), "it failed");
        return -ECHILD;
    }
    if (strstr(argv[0], "update-grub"))
        imitate_update_grub();
    else if (strstr(argv[0], "grubby"))
        imitate_grubby(argv[2]);
    else if (strstr(argv[0], "kernel-install") && !ignore_args)
        imitate_kernel_install(argv[2]);
    return 0;
}

static int begin(void **state)
{
    runs = fail_runs = 0;
    ignore_args = false;
    return made_root_begin(state);
}

static int begin_grub(void **state)
{
    int rc = begin(state);

    made_root_put("/usr/sbin/update-grub", "");
    made_root_put(GRUB, "GRUB_DEFAULT=0\nGRUB_DISTRIBUTOR=`lsb_release -i`\n"
                        "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n");
    return rc;
}

static int begin_kernel_install(void **state)
{
    int rc = begin(state);

    made_root_put("/usr/bin/kernel-install", "");
    made_root_put("/efi/loader/loader.conf", "");
    made_root_put("/usr/lib/modules/6.1-a/vmlinuz", "");
    made_root_put("/usr/lib/modules/6.2-b/vmlinuz", "");
    made_root_put("/usr/lib/modules/5.0-gone", NULL);
    made_root_put("/proc/cmdline", "initrd=\\x BOOT_IMAGE=/y root=/dev/x \"a=b c\" rw\n");
    return rc;
}

static const char entry[] = "title Linux\nversion 6.1\nlinux /vmlinuz\noptions root=/dev/x ro\n"
                            "id a\n";

static int begin_grubby(void **state)
{
    int rc = begin(state);

    made_root_put("/usr/sbin/grubby", "");
    made_root_put(ENTRY, entry);
    made_root_put("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n");
    return rc;
}

static void apply(const char *parameters)
{
    struct ae_boot_plan plan;
    struct ae_error err = {0};

    if (ae_boot_plan(&plan, NULL, parameters, &err) || ae_boot_apply(&plan, imitate, &err))
        fail_msg("%s", err.text);
    ae_boot_plan_free(&plan);
}

static int plan_fails(const char *parameters, struct ae_error *err)
{
    struct ae_boot_plan plan;
    int rc = ae_boot_plan(&plan, NULL, parameters, err);

    if (!rc)
        ae_boot_plan_free(&plan);
    return rc;
}

/* ---- grub.d ---- */

static void grub_gets_a_drop_in_and_loses_it_again(void **state)
{
    struct ae_boot_removal removal;

    (void)state;
    imitate_update_grub();
    apply(PARAMETERS);
    assert_string_equal(made_root_get(DROP_IN), drop_in);
    assert_int_equal(runs, 1);
    assert_int_equal(ae_boot_remove(&removal, imitate, NULL), 0);
    assert_string_equal(removal.writer, "grub.d");
    assert_int_equal(removal.restored, 1);
    assert_null(made_root_get(DROP_IN));
    assert_null(made_root_get(AE_BOOT_STATE));
    assert_null(strstr(made_root_get(GRUB_CFG), "nohz_full"));
    assert_int_equal(ae_boot_remove(&removal, imitate, NULL), -ENOENT);
}

static void applying_twice_changes_nothing(void **state)
{
    struct ae_boot_plan plan;

    (void)state;
    apply(PARAMETERS);
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    assert_true(plan.nothing);
    assert_int_equal(ae_boot_apply(&plan, imitate, NULL), 0);
    assert_int_equal(runs, 1);
    ae_boot_plan_free(&plan);
}

static void other_parameters_have_to_wait_for_a_removal(void **state)
{
    struct ae_error err;

    (void)state;
    apply(PARAMETERS);
    assert_int_equal(plan_fails("nohz_full=1", &err), -EALREADY);
    assert_non_null(strstr(err.text, "remove"));
}

static void a_plan_writes_nothing(void **state)
{
    struct ae_boot_plan plan;

    (void)state;
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    assert_string_equal(plan.writer, "grub.d");
    assert_int_equal(plan.count, 1);
    assert_null(plan.changes[0].before);
    assert_string_equal(plan.changes[0].after, drop_in);
    ae_boot_plan_free(&plan);
    assert_null(made_root_get(DROP_IN));
    assert_null(made_root_get(AE_BOOT_STATE));
}

static void quotes_reach_grub_as_they_are(void **state)
{
    struct ae_boot_plan plan;

    (void)state;
    assert_int_equal(ae_boot_plan(&plan, NULL, "dyndbg=\"file a.c +p\"", NULL), 0);
    assert_non_null(strstr(plan.changes[0].after, " dyndbg=\\\"file a.c +p\\\"\"\n"));
    ae_boot_plan_free(&plan);
}

static void what_grub_itself_would_expand_is_refused(void **state)
{
    static const char *const bad[] = {"a=$b", "a=b;c", "a=`b`", "a={b}"};
    struct ae_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(plan_fails(bad[i], &err), -EINVAL);
}

static void a_parameter_that_is_there_is_not_written_again(void **state)
{
    struct ae_boot_plan plan;

    (void)state;
    made_root_put(GRUB, "GRUB_CMDLINE_LINUX=\"nohz_full=2-3\"\n");
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    assert_null(strstr(plan.changes[0].after, "nohz_full"));
    assert_non_null(strstr(plan.changes[0].after, "isolcpus"));
    ae_boot_plan_free(&plan);
}

static void a_conflict_is_refused_with_both_values(void **state)
{
    struct ae_error err;

    (void)state;
    made_root_put("/etc/default/grub.d/a.cfg", "GRUB_CMDLINE_LINUX=\"isolcpus=7\"\n");
    assert_int_equal(plan_fails(PARAMETERS, &err), -EEXIST);
    assert_non_null(strstr(err.text, "isolcpus=7"));
    assert_non_null(strstr(err.text, "isolcpus=managed_irq,domain,2-3"));
}

static void a_drop_in_that_overrides_ours_is_named(void **state)
{
    struct ae_error err;

    (void)state;
    made_root_put("/etc/default/grub.d/50-cloud.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=\"console=x\"\n");
    assert_int_equal(plan_fails(PARAMETERS, &err), 0); /* it comes before ours */
    made_root_put("/etc/default/grub.d/zzz.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=\"console=x\"\n");
    assert_int_equal(plan_fails(PARAMETERS, &err), -EEXIST);
    assert_non_null(strstr(err.text, "zzz.cfg"));
    made_root_put("/etc/default/grub.d/zzz.cfg",
                  "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT console=x\"\n");
    assert_int_equal(plan_fails(PARAMETERS, &err), 0);
}

static void a_file_that_is_a_program_is_noted(void **state)
{
    struct ae_boot_plan plan;

    (void)state;
    made_root_put("/etc/default/grub.d/b.cfg", "if true; then\nX=1\nfi\n");
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    assert_non_null(strstr(plan.note, "b.cfg:1"));
    ae_boot_plan_free(&plan);
}

static void arguments_of_init_are_not_appended_to(void **state)
{
    struct ae_error err;

    (void)state;
    made_root_put(GRUB, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet -- x\"\n");
    assert_int_equal(plan_fails(PARAMETERS, &err), -EINVAL);
    assert_non_null(strstr(err.text, "--"));
}

static void a_failing_command_leaves_the_machine_as_it_was(void **state)
{
    struct ae_boot_plan plan;
    struct ae_error err;

    (void)state;
    fail_runs = 1;
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    assert_int_equal(ae_boot_apply(&plan, imitate, &err), -ECHILD);
    assert_null(made_root_get(DROP_IN));
    assert_null(made_root_get(AE_BOOT_STATE));
    assert_int_equal(runs, 2); /* once more, without the drop-in */
    ae_boot_plan_free(&plan);
}

static struct stat look(const char *path)
{
    struct stat status;
    char full[4096];

    assert_int_equal(ae_root_path(full, sizeof(full), path), 0);
    assert_int_equal(lstat(full, &status), 0);
    return status;
}

/* A file that few may read and that is a link: whether all went well or not, it is so
 * afterwards. */
static void what_is_not_text_stays(void **state)
{
    char full[4096];

    (void)state;
    made_root_put("/etc/kernel/site", "root=/dev/x token=SECRET\n");
    made_root_link(CMDLINE, "site");
    ae_root_path(full, sizeof(full), "/etc/kernel/site");
    assert_int_equal(chmod(full, 0600), 0);
    for (int failing = 0; failing < 2; failing++) {
        struct ae_boot_removal removal;
        struct ae_boot_plan plan;
        struct ae_error err;

        assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
        fail_runs = failing;
        assert_int_equal(ae_boot_apply(&plan, imitate, &err), failing ? -ECHILD : 0);
        ae_boot_plan_free(&plan);
        assert_true(S_ISLNK(look(CMDLINE).st_mode));
        assert_int_equal(look("/etc/kernel/site").st_mode & 07777, 0600);
        if (failing)
            break;
        assert_non_null(strstr(made_root_get("/etc/kernel/site"), "nohz_full"));
        assert_int_equal(look(AE_BOOT_STATE).st_mode & 07777, 0600);
        assert_int_equal(look("/var/lib/aether").st_mode & 07777, 0700);
        assert_int_equal(ae_boot_remove(&removal, imitate, &err), 0);
        assert_int_equal(look("/etc/kernel/site").st_mode & 07777, 0600);
    }
    assert_string_equal(made_root_get(CMDLINE), "root=/dev/x token=SECRET\n");
    assert_true(S_ISLNK(look(CMDLINE).st_mode));
}

static void what_cannot_be_replaced_is_named_and_left(void **state)
{
    struct ae_boot_plan plan;
    struct ae_error err;
    char full[4096], other[4096];

    (void)state;
    made_root_put("/etc/kernel", NULL);
    made_root_link(CMDLINE, "nowhere");
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, &err), -ELOOP);
    assert_non_null(strstr(err.text, "a link to what is not there"));
    assert_true(S_ISLNK(look(CMDLINE).st_mode));

    ae_root_path(full, sizeof(full), CMDLINE);
    ae_root_path(other, sizeof(other), "/etc/kernel/other");
    unlink(full);
    made_root_put(CMDLINE, "root=/dev/x\n");
    assert_int_equal(link(full, other), 0);
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, &err), 0);
    assert_int_equal(ae_boot_apply(&plan, imitate, &err), -EMLINK);
    assert_non_null(strstr(err.text, "other names by hard links"));
    assert_string_equal(made_root_get(CMDLINE), "root=/dev/x\n");
    assert_int_equal(look(CMDLINE).st_nlink, 2);
    assert_null(made_root_get(AE_BOOT_STATE));
    ae_boot_plan_free(&plan);
}

/* ---- What others wrote, in forms of their own ---- */

/* Plans for a machine of one file, and what came of it: an error that says so, or the last line of
 * the file that is written. */
struct form {
    const char *path, *text;
    const char *parameters;
    const char *expected; /* of the file after, NULL: nothing is written */
    const char *says;     /* of the error */
};

static void try_form(const struct form *form)
{
    struct ae_boot_plan plan;
    struct ae_error err = {.text = ""};
    const char *after;
    int rc;

    made_root_put(form->path, form->text);
    rc = ae_boot_plan(&plan, NULL, form->parameters, &err);
    if (form->says) {
        if (!rc || !strstr(err.text, form->says))
            fail_msg("%s: rc %d, \"%s\" does not say \"%s\"", form->text, rc, err.text, form->says);
    } else if (rc) {
        fail_msg("%s: %s", form->text, err.text);
    }
    after = !rc && plan.count && !plan.nothing ? plan.changes[0].after : NULL;
    if (!rc && form->expected && (!after || !strstr(after, form->expected)))
        fail_msg("%s: \"%s\" has no \"%s\"", form->text, after ? after : "(nothing)",
                 form->expected);
    if (!rc && !form->expected && after)
        fail_msg("%s: nothing had to be written: %s", form->text, after);
    if (!rc)
        ae_boot_plan_free(&plan);
}

#define DEFAULT(value) "GRUB_CMDLINE_LINUX_DEFAULT=" value "\n"
#define PAGES          "hugepagesz=2M hugepages=16"

static void what_grubs_file_says_is_understood(void **state)
{
    static const struct form forms[] = {
        /* The same CPUs, written otherwise. */
        {GRUB, DEFAULT("\"nohz_full=2,3 isolcpus=domain,managed_irq,2-3\""), PARAMETERS, NULL,
         NULL},
        {GRUB, DEFAULT("\"nohz-full=2-3 isolcpus=managed_irq,2,3 isolcpus=domain,2-3\""),
         PARAMETERS, NULL, NULL},
        {GRUB, DEFAULT("\"nohz_full=2-3:1/1 isolcpus=nosuch,managed_irq,domain,2-3\""), PARAMETERS,
         NULL, NULL},
        {GRUB, DEFAULT("\"isolcpus=2-3\""), PARAMETERS,
         "nohz_full=2-3 isolcpus=managed_irq,domain,2-3", NULL},
        {GRUB, DEFAULT("\"nohz_full=2-4\""), PARAMETERS, NULL,
         "has nohz_full=2-4 where nohz_full=2-3"},
        {GRUB, DEFAULT("\"isolcpus=managed_irq,2-4\""), PARAMETERS, NULL,
         "has isolcpus=managed_irq,2-4"},
        /* Pairs. */
        {GRUB, DEFAULT("\"default_hugepagesz=1G hugepagesz=1G hugepages=16\""), PAGES,
         "} hugepagesz=2M hugepages=16\"", NULL},
        {GRUB, DEFAULT("\"hugepagesz=2M hugepages=512 hugepagesz=1G\""), PAGES, NULL,
         "has hugepagesz=2M hugepages=512 where hugepagesz=2M hugepages=16"},
        {GRUB, DEFAULT("\"hugepages=16\""), PAGES, NULL, NULL},
        {GRUB, DEFAULT("\"hugepages=16 default_hugepagesz=1G\""), PAGES,
         "} hugepagesz=2M hugepages=16\"", NULL},
        {GRUB, DEFAULT("\"hugepagesz=2048K quiet hugepages=16\""), PAGES, NULL, NULL},
        /* What is behind a variable. */
        {GRUB, DEFAULT("\"quiet \\$tuned_params\""), PARAMETERS, NULL, "has nohz_full=1 where"},
        {GRUB, DEFAULT("\"quiet \\${tuned_params}\""), PARAMETERS, NULL, "has nohz_full=1 where"},
        {GRUB, DEFAULT("'quiet $saved_params'"), PARAMETERS, NULL, "has isolcpus=1 where"},
        {GRUB, DEFAULT("\"${GRUB_CMDLINE_LINUX_DEFAULT:+x }\\$tuned_params\""), PARAMETERS, NULL,
         "has nohz_full=1 where"},
        {GRUB, DEFAULT("\"quiet \\$nobody_sets\""), PARAMETERS, "nohz_full=2-3", NULL},
        /* What is wrong with the file itself. */
        {GRUB, DEFAULT("\"quiet") "X=\"1\"\nY='a\nb\n", PARAMETERS, NULL,
         "grub:2: a quote is opened"},
        {GRUB, "X=1\nY=\"${Z\n", PARAMETERS, NULL, "grub:2: a quote is opened"},
        {GRUB, "X=1\r\n" DEFAULT("\"quiet\"\r"), PARAMETERS, NULL, "grub:1: the line ends as DOS"},
        {GRUB, DEFAULT("\"\n quiet\n splash\n\""), PARAMETERS, NULL, "goes over several lines"},
        {GRUB, DEFAULT("\"quiet \\\n splash\""), PARAMETERS, "nohz_full=2-3", NULL},
        {GRUB, DEFAULT("\"quiet -- x\""), PARAMETERS, NULL, "has \"--\""},
    };

    (void)state;
    made_root_put("/sys/devices/system/cpu/possible", "0-7\n");
    made_root_put("/etc/tuned/bootcmdline", "TUNED_BOOT_CMDLINE=\"nohz_full=1 skew_tick=1\"\n");
    made_root_put("/boot/grub/grubenv", "# GRUB Environment Block\nsaved_params=isolcpus=1\n####");
    for (size_t i = 0; i < COUNT(forms); i++)
        try_form(&forms[i]);
}

static void what_kernel_installs_file_says_is_understood(void **state)
{
    static const struct form forms[] = {
        {CMDLINE, "root=/dev/x rw quiet\n# set by the installer\n", PARAMETERS,
         "root=/dev/x rw quiet " PARAMETERS "\n# set by the installer\n", NULL},
        {CMDLINE, "# old: isolcpus=4-5 nohz_full=4-5 5\" disk\nroot=/dev/x\n", PARAMETERS,
         "disk\nroot=/dev/x " PARAMETERS "\n", NULL},
        {CMDLINE, "root=/dev/x\nquiet", PARAMETERS, "root=/dev/x\nquiet " PARAMETERS, NULL},
        {CMDLINE, "root=/dev/x -- single\n# c\n\n", PARAMETERS,
         "root=/dev/x " PARAMETERS " -- single\n# c\n", NULL},
        {CMDLINE, "# nothing\n", PARAMETERS, "# nothing\n" PARAMETERS "\n", NULL},
        {CMDLINE, "root=/dev/x\nnohz_full=4-5\n", PARAMETERS, NULL, "has nohz_full=4-5 where"},
        {CMDLINE, "root=/dev/x\nnohz_full=3,2\nisolcpus=domain,managed_irq,2-3\n", PARAMETERS, NULL,
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++)
        try_form(&forms[i]);
}

static void what_an_entry_says_is_understood(void **state)
{
    static const struct form forms[] = {
        {ENTRY, "title L\noptions root=/dev/x ro\noptions quiet\nid a\n", PARAMETERS,
         "options root=/dev/x ro\noptions quiet " PARAMETERS "\nid a", NULL},
        {ENTRY, "title L\noptions root=/dev/x\noptions isolcpus=5 nohz_full=5\n", PARAMETERS, NULL,
         "has nohz_full=5 where"},
        {ENTRY, "title L\noptions $kernelopts $tuned_params\n", PARAMETERS, NULL,
         "has isolcpus=1 where"},
        {ENTRY, "title L\noptions root=/dev/x $tuned_params\n", PARAMETERS, NULL,
         "has isolcpus=1 where"},
        {ENTRY, "title L\noptions hugepagesz=1G hugepages=16\n", PAGES,
         "options hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=16\n", NULL},
    };

    (void)state;
    made_root_put("/boot/grub2/grubenv",
                  "kernelopts=root=/dev/x ro\ntuned_params=isolcpus=1\n####");
    for (size_t i = 0; i < COUNT(forms); i++)
        try_form(&forms[i]);
}

/* What update-grub writes, with another's beside it: the kernel would throw one of the two away. */
static int write_both(const char *const argv[], struct ae_error *err)
{
    int rc = imitate(argv, err);

    if (made_root_get(DROP_IN))
        made_root_put(GRUB_CFG,
                      "set late=\"nohz_full=1\"\nmenuentry 'x' {\n\tlinux /vmlinuz ro " PARAMETERS
                      " $late\n}\n");
    return rc;
}

static void a_second_one_in_what_was_written_is_no_success(void **state)
{
    struct ae_boot_plan plan;
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    assert_int_equal(ae_boot_apply(&plan, write_both, &err), -EEXIST);
    assert_non_null(strstr(err.text, "nohz_full=1"));
    assert_null(made_root_get(DROP_IN));
    assert_null(made_root_get(AE_BOOT_STATE));
    ae_boot_plan_free(&plan);
}

static void a_kernel_install_that_writes_nothing_is_no_success(void **state)
{
    static const char before[] = "root=/dev/x\n";
    struct ae_boot_plan plan;
    struct ae_error err;

    (void)state;
    made_root_put(CMDLINE, before);
    for (int stale = 0; stale < 2; stale++) {
        ignore_args = true;
        assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
        assert_int_equal(ae_boot_apply(&plan, imitate, &err), -EIO);
        assert_non_null(strstr(err.text, stale ? "6.1-a.conf has not all" : "neither an entry"));
        assert_string_equal(made_root_get(CMDLINE), before);
        ae_boot_plan_free(&plan);
        /* An entry that another tool wrote, and does not write anew. */
        made_root_put("/boot/efi/loader/entries/6.1-a.conf",
                      "title x\nversion 6.1-a\noptions root=/dev/x\n");
    }
}

static void a_left_over_cmdline_makes_no_loader(void **state)
{
    struct ae_boot_plan plan;
    struct ae_error err;

    (void)state;
    made_root_put("/usr/bin/kernel-install", "");
    made_root_put(CMDLINE, "root=/dev/x\n");
    made_root_put("/boot/grub/grub.cfg", "menuentry x { }\n");
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, &err), -ENOENT);
}

static const char *deployed = "/boot/loader/entries/ostree-1.conf";

/* Like rpm-ostree: another entry, of other words. */
static int imitate_ostree(const char *const argv[], struct ae_error *err)
{
    char line[1024] = "title F\noptions root=/dev/x";

    (void)err;
    runs++;
    for (int i = 2; argv[i]; i++)
        if (strncmp(argv[i], "--append", 8) == 0)
            snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s",
                     strchr(argv[i], '=') + 1);
    if (!ignore_args)
        made_root_put(deployed, line);
    return 0;
}

static void ostree_is_told_by_its_own_command(void **state)
{
    struct ae_boot_removal removal;
    struct ae_boot_plan plan;
    struct ae_error err;

    (void)state;
    made_root_put("/usr/bin/rpm-ostree", "");
    made_root_put("/run/ostree-booted", "");
    made_root_put("/usr/sbin/grubby", "");
    made_root_put(deployed, "title F\noptions root=/dev/x\n");
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS " " PAGES, &err), 0);
    assert_string_equal(plan.writer, "rpm-ostree");
    assert_false(plan.nothing);
    ignore_args = true;
    assert_int_equal(ae_boot_apply(&plan, imitate_ostree, &err), -EIO);
    assert_null(made_root_get(AE_BOOT_STATE));
    ignore_args = false;
    assert_int_equal(ae_boot_apply(&plan, imitate_ostree, &err), 0);
    ae_boot_plan_free(&plan);
    assert_non_null(strstr(made_root_get(deployed), PARAMETERS " " PAGES));
    assert_int_equal(ae_boot_remove(&removal, imitate_ostree, &err), 0);
    assert_null(strstr(made_root_get(deployed), "nohz_full"));
    made_root_put(deployed, "options root=/dev/x isolcpus=5\n");
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, &err), -EEXIST);
}

/* Equal words that were there before are not ours to take away. */
static void only_what_was_added_is_taken_away(void **state)
{
    static const char parameters[] = PAGES " skew_tick=1";
    struct ae_boot_removal removal;
    struct ae_boot_plan plan;
    struct ae_error err;

    (void)state;
    made_root_put(CMDLINE, "root=/dev/x skew_tick=1 hugepagesz=1G hugepages=16\n");
    assert_int_equal(ae_boot_plan(&plan, NULL, parameters, &err), 0);
    assert_int_equal(ae_boot_apply(&plan, imitate, &err), 0);
    ae_boot_plan_free(&plan);
    assert_string_equal(made_root_get(CMDLINE),
                        "root=/dev/x skew_tick=1 hugepagesz=1G hugepages=16 " PAGES "\n");
    made_root_put(CMDLINE,
                  "root=/dev/x skew_tick=1 loglevel=3 hugepagesz=1G hugepages=16 " PAGES "\n");
    assert_int_equal(ae_boot_remove(&removal, imitate, &err), 0);
    assert_int_equal(removal.edited, 1);
    assert_string_equal(made_root_get(CMDLINE),
                        "root=/dev/x skew_tick=1 loglevel=3 hugepagesz=1G hugepages=16\n");
}

static void a_loader_that_does_not_take_them_is_no_success(void **state)
{
    struct ae_boot_plan plan;
    struct ae_error err;

    (void)state;
    ignore_args = true;
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    assert_int_equal(ae_boot_apply(&plan, imitate, &err), -EIO);
    assert_non_null(strstr(err.text, "none of the 1 kernels"));
    assert_null(made_root_get(DROP_IN));
    ae_boot_plan_free(&plan);
}

static void a_file_changed_meanwhile_stops_it(void **state)
{
    struct ae_boot_plan plan;

    (void)state;
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    made_root_put(DROP_IN, "# mine\n");
    assert_int_equal(ae_boot_apply(&plan, imitate, NULL), -ESTALE);
    assert_string_equal(made_root_get(DROP_IN), "# mine\n");
    ae_boot_plan_free(&plan);
}

static void an_edited_drop_in_is_kept_beside(void **state)
{
    struct ae_boot_removal removal;

    (void)state;
    apply(PARAMETERS);
    made_root_put(DROP_IN, "# mine\n");
    assert_int_equal(ae_boot_remove(&removal, imitate, NULL), 0);
    assert_int_equal(removal.edited, 1);
    assert_null(made_root_get(DROP_IN));
    assert_string_equal(made_root_get(DROP_IN ".saved"), "# mine\n");
}

/* ---- kernel-install ---- */

static void kernel_install_gets_this_boots_line_when_it_has_none(void **state)
{
    struct ae_boot_removal removal;

    (void)state;
    apply(PARAMETERS);
    assert_string_equal(made_root_get(CMDLINE), "root=/dev/x \"a=b c\" rw " PARAMETERS "\n");
    assert_int_equal(runs, 2); /* one per kernel that is there */
    assert_string_equal(last_run,
                        "/usr/bin/kernel-install add 6.2-b /usr/lib/modules/6.2-b/vmlinuz");
    assert_int_equal(ae_boot_remove(&removal, imitate, NULL), 0);
    assert_null(made_root_get(CMDLINE));
}

static void kernel_install_line_is_restored_byte_for_byte(void **state)
{
    static const char before[] = " root=/dev/y\t quiet  \"x=1 2\"   \n";
    struct ae_boot_removal removal;

    (void)state;
    made_root_put(CMDLINE, before);
    apply(PARAMETERS);
    assert_string_equal(made_root_get(CMDLINE),
                        " root=/dev/y\t quiet  \"x=1 2\" " PARAMETERS "   \n");
    assert_int_equal(ae_boot_remove(&removal, imitate, NULL), 0);
    assert_string_equal(made_root_get(CMDLINE), before);
    assert_int_equal(removal.restored, 1);
}

/* A comment in Latin-1 is no UTF-8, which the state's JSON would have to be. */
static void bytes_that_are_no_utf8_come_back(void **state)
{
    static const char line[] = "root=/dev/x splash=gr\xfc\xdf\xe9\n";
    struct ae_boot_removal removal;

    (void)state;
    made_root_put("/etc/kernel/cmdline", line);
    apply(PARAMETERS);
    assert_non_null(strstr(made_root_get("/etc/kernel/cmdline"), "gr\xfc\xdf\xe9 " PARAMETERS));
    assert_int_equal(ae_boot_remove(&removal, imitate, NULL), 0);
    assert_int_equal(removal.restored, 1);
    assert_string_equal(made_root_get("/etc/kernel/cmdline"), line);
}

static void only_our_words_leave_an_edited_line(void **state)
{
    struct ae_boot_removal removal;

    (void)state;
    made_root_put(CMDLINE, "root=/dev/y\n");
    apply(PARAMETERS);
    made_root_put(CMDLINE, "root=/dev/y " PARAMETERS " panic=1\n");
    assert_int_equal(ae_boot_remove(&removal, imitate, NULL), 0);
    assert_int_equal(removal.edited, 1);
    assert_string_equal(made_root_get(CMDLINE), "root=/dev/y panic=1\n");
}

static void an_unclosed_quote_is_not_edited(void **state)
{
    struct ae_error err;

    (void)state;
    made_root_put(CMDLINE, "root=\"/dev/y\"\" quiet\n");
    assert_int_equal(plan_fails(PARAMETERS, &err), -EINVAL);
    assert_non_null(strstr(err.text, CMDLINE));
}

/* ---- grubby ---- */

static void grubby_is_asked_and_its_files_restored(void **state)
{
    struct ae_boot_removal removal;

    (void)state;
    apply(PARAMETERS);
    assert_string_equal(last_run, "/usr/sbin/grubby --update-kernel=ALL --args=" PARAMETERS);
    assert_non_null(strstr(made_root_get(ENTRY), "options root=/dev/x ro " PARAMETERS "\n"));
    assert_int_equal(ae_boot_remove(&removal, imitate, NULL), 0);
    assert_string_equal(last_run, "/usr/sbin/grubby --update-kernel=ALL --remove-args=" PARAMETERS);
    assert_string_equal(made_root_get(ENTRY), entry);
    assert_string_equal(made_root_get("/etc/default/grub"), "GRUB_CMDLINE_LINUX=\"\"\n");
    assert_int_equal(removal.restored, 2);
}

static void an_entry_that_grubby_left_out_is_named(void **state)
{
    struct ae_boot_plan plan;
    struct ae_error err;

    (void)state;
    ignore_args = true;
    assert_int_equal(ae_boot_plan(&plan, NULL, PARAMETERS, NULL), 0);
    assert_int_equal(ae_boot_apply(&plan, imitate, &err), -EIO);
    assert_non_null(strstr(err.text, "a.conf"));
    assert_string_equal(made_root_get(ENTRY), entry);
    ae_boot_plan_free(&plan);
}

static void a_conflict_in_an_entry_is_refused(void **state)
{
    struct ae_error err;

    (void)state;
    made_root_put(ENTRY, "options ro nohz_full=9\n");
    assert_int_equal(plan_fails(PARAMETERS, &err), -EEXIST);
    assert_non_null(strstr(err.text, "a.conf"));
}

/* ---- Which writer, which parameters ---- */

static void a_machine_without_a_known_loader_is_told_so(void **state)
{
    struct ae_error err;

    (void)state;
    assert_int_equal(plan_fails(PARAMETERS, &err), -ENOENT);
    assert_non_null(strstr(err.text, "update-grub"));
}

static void parameters_follow_from_the_quiet_cpus(void **state)
{
    struct ae_boot_wish wish = {.iommu = true, .pages_1g = 4, .pages_2m = 64, .extra = "panic=1"};
    char text[AE_CMDLINE_SIZE];

    (void)state;
    made_root_put(CPU "/online", "0-7\n");
    made_root_put("/proc/cpuinfo", "vendor_id : GenuineIntel\nflags : constant_tsc nonstop_tsc\n");
    made_root_put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    ae_cpus_parse(&wish.quiet, "2-3,6");
    assert_int_equal(ae_boot_parameters(&wish, text, sizeof(text), NULL), 0);
    assert_string_equal(text, "nohz_full=2-3,6 rcu_nocbs=2-3,6 isolcpus=managed_irq,domain,2-3,6 "
                              "irqaffinity=0-1,4-5,7 skew_tick=1 nowatchdog tsc=reliable "
                              "intel_iommu=on iommu=pt hugepagesz=1G hugepages=4 hugepagesz=2M "
                              "hugepages=64 panic=1");
    assert_int_equal(ae_boot_parameters(&wish, text, 20, NULL), -ENOSPC);
}

static void impossible_quiet_cpus_are_refused(void **state)
{
    static const char *const bad[] = {"", "0", "1-8"};
    char text[AE_CMDLINE_SIZE];

    (void)state;
    made_root_put(CPU "/online", "0-7\n");
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct ae_boot_wish wish = {.extra = NULL};

        ae_cpus_parse(&wish.quiet, bad[i]);
        assert_int_equal(ae_boot_parameters(&wish, text, sizeof(text), NULL), -EINVAL);
    }
}

/* ---- Reconciliation ---- */

struct seen {
    struct ae_boot_result results[32];
    unsigned count;
};

static void note(const struct ae_boot_result *result, void *context)
{
    struct seen *seen = context;

    seen->results[seen->count++] = *result;
}

static void the_kernel_is_asked_not_its_command_line(void **state)
{
    static const struct {
        const char *parameter, *path, *text;
        enum ae_boot_answer answer;
    } cases[] = {
        {"nohz_full=2-3", CPU "/nohz_full", "2-3\n", AE_BOOT_TAKEN},
        {"nohz_full=2-3", CPU "/nohz_full", "2-5\n", AE_BOOT_TAKEN},
        {"nohz_full=2-3", CPU "/nohz_full", "(null)\n", AE_BOOT_PRINTED},
        {"nohz_full=2-3", NULL, NULL, AE_BOOT_PRINTED},
        {"nohz_full=all", CPU "/nohz_full", "2\n", AE_BOOT_PRINTED},
        {"nohz_full=2,3,5", CPU "/nohz_full", "2-3,5\n", AE_BOOT_TAKEN},
        {"isolcpus=\"domain,managed_irq,2-5:1/2\"", CPU "/isolated", "2,4\n", AE_BOOT_TAKEN},
        {"isolcpus=managed_irq,domain,2-3", CPU "/isolated", "2-3\n", AE_BOOT_TAKEN},
        {"isolcpus=domain,2-3", CPU "/isolated", "2\n", AE_BOOT_PRINTED},
        {"irqaffinity=0-1", "/proc/irq/default_smp_affinity", "3\n", AE_BOOT_TAKEN},
        {"irqaffinity=0-1", "/proc/irq/default_smp_affinity", "ff\n", AE_BOOT_PRINTED},
        {"irqaffinity=0,32", "/proc/irq/default_smp_affinity", "00000001,00000001\n",
         AE_BOOT_TAKEN},
        {"nowatchdog", "/proc/sys/kernel/watchdog", "0\n", AE_BOOT_TAKEN},
        {"nowatchdog", "/proc/sys/kernel/watchdog", "1\n", AE_BOOT_PRINTED},
        {"tsc=reliable", "/sys/devices/system/clocksource/clocksource0/current_clocksource",
         "hpet\n", AE_BOOT_PRINTED},
        {"intel_iommu=on", "/sys/kernel/iommu_groups/0/type", "DMA\n", AE_BOOT_TAKEN},
        {"intel_iommu=on", NULL, NULL, AE_BOOT_PRINTED},
        {"iommu=pt", "/sys/kernel/iommu_groups/0/type", "identity\n", AE_BOOT_TAKEN},
        {"iommu=pt", "/sys/kernel/iommu_groups/0/type", "DMA\n", AE_BOOT_PRINTED},
        {"hugepages=8", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8\n",
         AE_BOOT_TAKEN},
        {"hugepages=8", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "7\n",
         AE_BOOT_PRINTED},
        {"rcutree.kthread_prio=11", "/sys/module/rcutree/parameters/kthread_prio", "11\n",
         AE_BOOT_TAKEN},
        {"rcupdate.rcu_normal_after_boot=1",
         "/sys/module/rcupdate/parameters/rcu_normal_after_boot", "0\n", AE_BOOT_PRINTED},
        {"skew_tick=1", NULL, NULL, AE_BOOT_UNSEEN},
        {"rcu_nocbs=2", NULL, NULL, AE_BOOT_UNSEEN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct seen seen = {.count = 0};
        char cmdline[256];

        made_root_begin(NULL);
        snprintf(cmdline, sizeof(cmdline), "ro %s quiet\n", cases[i].parameter);
        made_root_put("/proc/cmdline", cmdline);
        if (cases[i].path)
            made_root_put(cases[i].path, cases[i].text);
        assert_int_equal(ae_boot_check(cases[i].parameter, note, &seen, NULL), 0);
        assert_int_equal(seen.count, 1);
        if (seen.results[0].answer != cases[i].answer)
            fail_msg("%s with %s: %s (%s)", cases[i].parameter,
                     cases[i].text ? cases[i].text : "none",
                     ae_boot_answer_name(seen.results[0].answer), seen.results[0].reason);
        made_root_end(NULL);
    }
}

static void before_the_reboot_all_are_pending(void **state)
{
    struct seen seen = {.count = 0};

    (void)state;
    made_root_put("/proc/cmdline", "ro nohz_full=2\n");
    assert_int_equal(ae_boot_check(PARAMETERS, note, &seen, NULL), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.results[0].answer, AE_BOOT_PENDING);
    assert_int_equal(seen.results[1].answer, AE_BOOT_PENDING);
}

#define on(fixture, test) cmocka_unit_test_setup_teardown(test, fixture, made_root_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on(begin_grub, grub_gets_a_drop_in_and_loses_it_again),
        on(begin_grub, applying_twice_changes_nothing),
        on(begin_grub, other_parameters_have_to_wait_for_a_removal),
        on(begin_grub, a_plan_writes_nothing),
        on(begin_grub, quotes_reach_grub_as_they_are),
        on(begin_grub, what_grub_itself_would_expand_is_refused),
        on(begin_grub, a_parameter_that_is_there_is_not_written_again),
        on(begin_grub, a_conflict_is_refused_with_both_values),
        on(begin_grub, a_drop_in_that_overrides_ours_is_named),
        on(begin_grub, a_file_that_is_a_program_is_noted),
        on(begin_grub, arguments_of_init_are_not_appended_to),
        on(begin_grub, a_failing_command_leaves_the_machine_as_it_was),
        on(begin_grub, a_loader_that_does_not_take_them_is_no_success),
        on(begin_grub, a_file_changed_meanwhile_stops_it),
        on(begin_grub, an_edited_drop_in_is_kept_beside),
        on(begin_kernel_install, kernel_install_gets_this_boots_line_when_it_has_none),
        on(begin_kernel_install, kernel_install_line_is_restored_byte_for_byte),
        on(begin_kernel_install, bytes_that_are_no_utf8_come_back),
        on(begin_kernel_install, what_is_not_text_stays),
        on(begin_grub, what_grubs_file_says_is_understood),
        on(begin_kernel_install, what_kernel_installs_file_says_is_understood),
        on(begin_grubby, what_an_entry_says_is_understood),
        on(begin_grub, a_second_one_in_what_was_written_is_no_success),
        on(begin_kernel_install, a_kernel_install_that_writes_nothing_is_no_success),
        on(begin, a_left_over_cmdline_makes_no_loader),
        on(begin_kernel_install, only_what_was_added_is_taken_away),
        on(begin, ostree_is_told_by_its_own_command),
        on(begin_kernel_install, what_cannot_be_replaced_is_named_and_left),
        on(begin_kernel_install, only_our_words_leave_an_edited_line),
        on(begin_kernel_install, an_unclosed_quote_is_not_edited),
        on(begin_grubby, grubby_is_asked_and_its_files_restored),
        on(begin_grubby, an_entry_that_grubby_left_out_is_named),
        on(begin_grubby, a_conflict_in_an_entry_is_refused),
        on(begin, a_machine_without_a_known_loader_is_told_so),
        on(begin, parameters_follow_from_the_quiet_cpus),
        on(begin, impossible_quiet_cpus_are_refused),
        cmocka_unit_test(the_kernel_is_asked_not_its_command_line),
        on(begin, before_the_reboot_all_are_pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
