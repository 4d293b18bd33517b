#include "tools/lab/workers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void *e2b_lab_shared_create(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void e2b_lab_shared_destroy(void *memory, size_t bytes) {
    if (memory)
        munmap(memory, bytes);
}

static enum e2b_status start(int number, e2b_lab_piece_fn *piece, void *context,
    struct e2b_error *told, struct e2b_error *err) {
    fflush(NULL); /* or the child writes it again */
    pid_t child = fork();
    if (child < 0)
        return e2b_fail_code(
            err, E2B_INTERNAL, errno, "cannot start a process: %s", strerror(errno));
    if (child == 0) {
        piece(context, number, told);
        _exit(told->status == E2B_OK ? 0 : 1);
    }
    return E2B_OK;
}

static void await_one(bool *died) {
    int status;
    if (wait(&status) < 0 || !WIFEXITED(status))
        *died = true;
}

static enum e2b_status run_all(int count, e2b_lab_piece_fn *piece, void *context,
    struct e2b_error *told, struct e2b_error *err) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int running = 0;
    bool died = false;
    for (int i = 0; i < count && err->status == E2B_OK; i++) {
        if (running >= processors && running-- > 0)
            await_one(&died);
        if (start(i, piece, context, &told[i], err) == E2B_OK)
            running++;
    }
    while (running-- > 0)
        await_one(&died);
    for (int i = 0; i < count && err->status == E2B_OK; i++)
        *err = told[i];
    if (died && err->status == E2B_OK)
        e2b_fail(err, E2B_INTERNAL, "a process ended before its work was done");
    return err->status;
}

enum e2b_status e2b_lab_workers_run(
    int count, e2b_lab_piece_fn *piece, void *context, struct e2b_error *err) {
    size_t bytes = ((size_t)count + 1) * sizeof(struct e2b_error);
    struct e2b_error *told = e2b_lab_shared_create(bytes);
    if (!told)
        return e2b_fail_memory(err, "processes");
    run_all(count, piece, context, told, err);
    e2b_lab_shared_destroy(told, bytes);
    return err->status;
}
