/*
 * worker_main.c - the worker alone, without the driver and its libraries: what is built for another instruction set, to
 * be counted there.
 */
#include "driver/worker.h"

#include <string.h>

#include "driver/job.h"
#include "traces/error.h"

int main(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], WORKER_ARGUMENT) == 0 ? worker_main(argv[2]) : EXIT_USAGE;
}
