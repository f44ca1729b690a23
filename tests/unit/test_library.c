/* SPDX-License-Identifier: Apache-2.0 */

/* What libaether alone can do: a program linked with it and nothing else polls a port that another
 * process handed over. The card is this process's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_card.h"
#include "frame.h"

#define RING   32
#define FRAMES 100

/* Until the other process did something: true, or false once it is gone. */
static bool wait_a_little(pid_t worker)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    return waitpid(worker, NULL, WNOHANG) == 0;
}

static pid_t start(const char *program, const struct ae_port_handoff *handoff)
{
    int input[2];
    pid_t worker;

    assert_int_equal(pipe(input), 0);
    worker = fork();
    assert_true(worker >= 0);
    if (worker == 0) {
        dup2(input[0], STDIN_FILENO);
        close(input[0]);
        close(input[1]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* What a supervisor would let it inherit. */
        for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
            fcntl(fd, F_SETFD, 0);
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    close(input[0]);
    assert_int_equal(write(input[1], handoff, sizeof(*handoff)), sizeof(*handoff));
    close(input[1]);
    return worker;
}

static void it_sends_back_what_it_receives(const char *program)
{
    uint8_t frame[FRAME_MAX], back[FRAME_MAX], payload[32] = {0};
    struct fake_card card;
    int status;
    pid_t worker;

    fake_card_make(&card, RING, RING, 3 * RING);
    worker = start(program, &card.handoff);
    for (uint8_t i = 0; i < FRAMES; i++) {
        size_t length = frame_udp(frame, payload, sizeof(payload));
        uint32_t got;

        frame[AT_PAYLOAD] = i;
        while (!fake_card_deliver(&card, frame, (uint32_t)length, RXD_EOP))
            assert_true(wait_a_little(worker));
        while (!(got = fake_card_take(&card, back)))
            assert_true(wait_a_little(worker));
        assert_int_equal(got, length);
        assert_memory_equal(back, frame, length);
    }
    kill(worker, SIGTERM);
    assert_int_equal(waitpid(worker, &status, 0), worker);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    fake_card_destroy(&card);
}

static void of_the_shared_library(void **state)
{
    (void)state;
    it_sends_back_what_it_receives(ATTACHED);
}

static void of_the_static_library(void **state)
{
    (void)state;
    it_sends_back_what_it_receives(ATTACHED "_static");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_shared_library),
        cmocka_unit_test(of_the_static_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
